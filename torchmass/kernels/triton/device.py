"""What generated Triton kernels call: elementary functions and random draws, as include/math.h and philox.h have them.

Functions of one number are libdevice's (NVIDIA's, on ROCm AMD's), which are right to a few units in the last place,
where Triton's own `tl.exp` and `tl.sin` in float32 are the card's approximations. In float32 a quotient `/` and a root
are off by up to 2 units too; in float64 both are rounded right. Products and sums may be fused, one rounding less, as
the C++ compiler does. Subnormal numbers in float32 may count as 0. There is no branch, and a NaN comes through.
"""

from importlib import import_module
from typing import Any

import triton
import triton.language as tl
from triton import knobs

# the interpreter has no libdevice
lib: Any = import_module(
    "torchmass.kernels.triton.interpreted" if knobs.runtime.interpret else "triton.language.extra.libdevice"
)


@triton.jit
def load(place, once):
    """What lies at a place, by a loop of one turn that carries it.

    One pass of Triton 3.9 (TritonGPUCoalesce) looks, for each address, at all that it hangs together with, which is the
    whole kernel, in time with the cube of its size: minutes. What a loop carries it takes for the beginning. That
    `once` is 1, LLVM finds out later (see OPENING), and then neither the loop nor what it adds is left.
    """
    value = tl.zeros(place.shape, place.dtype.element_ty)
    for _ in range(0, once):
        value = tl.load(place)
        place += once - 1
    return value


@triton.jit
def load_where(place, reads, once):
    """The same where it is to be read, and 0 elsewhere."""
    value = tl.zeros(place.shape, place.dtype.element_ty)
    for _ in range(0, once):
        value = tl.load(place, mask=reads, other=0)
        place += once - 1
    return value


@triton.jit
def store(place, value, live, once):
    """Write it there, where a lane is live; see `load`."""
    for _ in range(0, once):
        tl.store(place, value, mask=live)
        place += once - 1


@triton.jit
def pow(x, y):
    return lib.pow(x, y)


@triton.jit
def sqrt(x):
    return tl.sqrt(x)


@triton.jit
def rsqrt(x):
    return lib.rsqrt(x)


@triton.jit
def exp(x):
    return lib.exp(x)


@triton.jit
def expm1(x):
    return lib.expm1(x)


@triton.jit
def exprel(x):
    """(eˣ − 1) / x; its derivatives near 0, where their parts cancel, are polynomials, as in include/math.h."""
    return tl.where(tl.abs(x) < 1e-20, 1.0, lib.expm1(x) * (1 / x))


@triton.jit
def exprel_slope(x):
    e, inverse = lib.expm1(x), 1 / x
    far = tl.where(x > 0, e * (1 - inverse) + 1, (e + 1) - e * inverse) * inverse
    if x.dtype == tl.float32:
        y = 0.0011900469722504 + x * (0.0001735718589746 + x * (2.26160776207e-5 + x * 2.532335054e-6))
        y = 0.1249999991808 + x * (0.0333334527459907 + x * (0.006944455362137 + x * y))
        return tl.where(tl.abs(x) < 1, 0.5 + x * (0.3333333243722 + x * y), far)
    else:
        y = 2.4801571271735401e-6 + x * (2.50852502969877725e-7 + x * 2.29900761155935903e-8)
        y = 0.00119047619104274211 + x * (0.000173611111154946147 + x * (2.20458346614485683e-5 + x * y))
        y = 0.125000000000000002 + x * (0.03333333333332701 + x * (0.0069444444444439552 + x * y))
        return tl.where(tl.abs(x) < 0.25, 0.5 + x * (0.333333333333333353 + x * y), far)


@triton.jit
def inverse_exprel(x):
    """x / (eˣ − 1)."""
    return tl.where(tl.abs(x) < 1e-20, 1.0, x * (1 / lib.expm1(x)))


@triton.jit
def inverse_exprel_slope(x):
    e = lib.expm1(x)
    inverse = 1 / e
    y, z = x * inverse, x * x
    far = (1 - tl.where(x < 0, y * (e + 1), y + x)) * inverse
    if x.dtype == tl.float32:
        near = 0.16666666513086 + z * (-0.00555550636291886 + z * (0.000198165472283757 + z * -6.21306911614e-6))
        return tl.where(tl.abs(x) < 1, -0.5 + x * near, far)
    else:
        near = -6.61375653410895741e-6 + z * (2.08765110915744455e-7 + z * -6.30601785651232295e-9)
        near = -0.00555555555555554931 + z * (0.000198412698411532013 + z * near)
        return tl.where(tl.abs(x) < 0.25, -0.5 + x * (0.166666666666666667 + z * near), far)


@triton.jit
def log(x):
    return lib.log(x)


@triton.jit
def log1p(x):
    return lib.log1p(x)


@triton.jit
def sin(x):
    return lib.sin(x)


@triton.jit
def cos(x):
    return lib.cos(x)


@triton.jit
def tan(x):
    return lib.tan(x)


@triton.jit
def tanh(x):
    return lib.tanh(x)


@triton.jit
def erf(x):
    return lib.erf(x)


@triton.jit
def erfc(x):
    return lib.erfc(x)


@triton.jit
def atan2(y, x):
    return lib.atan2(y, x)


@triton.jit
def sigmoid(x):
    return 1 / (1 + lib.exp(-x))


@triton.jit
def power(k):
    """2ᵏ for a whole number −bias ≤ k ≤ bias + 1, of which the ends are 0 and infinity."""
    if k.dtype == tl.float32:
        return ((k.to(tl.int32) + 127) << 23).to(tl.float32, bitcast=True)
    else:
        return ((k.to(tl.int64) + 1023) << 52).to(tl.float64, bitcast=True)


@triton.jit
def sigmoid2(n, y):
    """1 / (1 + 2ⁿ⁺ʸ) for a whole number n: what is large in an exponent, and does not change, rounds nothing."""
    bias = 127 if y.dtype == tl.float32 else 1023
    v = clamp(y, -bias - n, bias + 1 - n)
    k = tl.floor(v)
    return 1 / (1 + lib.exp2(v - k) * power(n + k))


@triton.jit
def softplus(x):
    """log(1 + exp x), with no threshold."""
    return tl.where(x > 0, x, 0.0) + lib.log1p(lib.exp(-tl.abs(x)))


@triton.jit
def abs(x):
    return tl.abs(x)


@triton.jit
def sign(x):
    """That of NaN is 0, as in torch."""
    return (x > 0).to(x.dtype) - (x < 0).to(x.dtype)


@triton.jit
def floor(x):
    return tl.floor(x)


@triton.jit
def remainder(x, y):
    """With the sign of the divisor, as in torch."""
    r = lib.fmod(x, y)
    return tl.where((r != 0) & ((r < 0) != (y < 0)), r + y, r)


@triton.jit
def minimum(a, b):
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def maximum(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def clamp(x, low, high):
    return minimum(maximum(x, low), high)


@triton.jit
def select(chosen, a, b):
    return tl.where(chosen, a, b)


@triton.jit
def sincos_small(r):
    """Sine and cosine for |r| ≤ π / 4, by the polynomials of include/math.h."""
    z = r * r
    if r.dtype == tl.float32:
        s = -0.1666665491 + z * (0.008332175844 + z * -0.0001951697723)
        c = 0.04166664681 + z * (-0.00138873645 + z * 2.443809278e-5)
    else:
        s = 2.75573136786480155e-6 + z * (-2.50507559593123764e-8 + z * 1.58966664114927621e-10)
        s = -0.166666666666666319 + z * (0.00833333333332236985 + z * (-0.000198412698297710963 + z * s))
        c = -2.75573143408428769e-7 + z * (2.08757216464978215e-9 + z * -1.13595604180373582e-11)
        c = 0.0416666666666665992 + z * (-0.00138888888888740662 + z * (0.0000248015872894441852 + z * c))
    return r + r * z * s, 1 - 0.5 * z + z * z * c


@triton.jit
def log_uniform(word, T: tl.constexpr):
    """log of the middle of cell `word` of 2³² equal cells of (0, 1): near 1 from its distance to 1."""
    below = word.to(tl.int32, bitcast=True).to(T)
    near = lib.log1p((below + 0.5) * 2.3283064365386963e-10)
    return tl.where(below < 0, near, lib.log((word.to(T) + 0.5) * 2.3283064365386963e-10))


@triton.jit
def sincos_uniform(word, T: tl.constexpr):
    """Sine and cosine of 2π times the middle of that cell; the integer is reduced, so that nothing is lost."""
    turned = word + 0x20000000
    quarter = turned >> 30
    r = ((turned & 0x3FFFFFFF).to(tl.int32, bitcast=True) - 0x20000000).to(T)
    s, c = sincos_small(r * 1.4629180792671596e-9 + 7.314590396335798e-10)
    odd = (quarter & 1) != 0
    sine, cosine = tl.where(odd, c, s), tl.where(odd, s, c)
    return tl.where(quarter < 2, sine, -sine), tl.where((quarter == 0) | (quarter == 3), cosine, -cosine)


@triton.jit
def normal_pair(radial, angular, T: tl.constexpr):
    radius = tl.sqrt(-2 * log_uniform(radial, T))
    s, c = sincos_uniform(angular, T)
    return radius * c, radius * s


@triton.jit
def normals(seed, node, simulation, block, source, T: tl.constexpr):
    """The normals of the four steps 4 block … 4 block + 3: Philox 4×32-10 and Box–Muller, as in draws.py."""
    w0, w1, w2, w3 = tl.philox(seed, node, simulation, block, source)
    z0, z1 = normal_pair(w0, w1, T)
    z2, z3 = normal_pair(w2, w3, T)
    return z0, z1, z2, z3


@triton.jit
def fourth(word, z0, z1, z2, z3):
    """One of four."""
    return tl.where(word < 2, tl.where(word == 0, z0, z1), tl.where(word == 2, z2, z3))
