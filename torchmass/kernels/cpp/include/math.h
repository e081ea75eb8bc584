// Elementary functions that vectorise: branch-free, inlined, the same value in every lane. For float, double and
// vectors of them (vector.h).
//
// Kernels are compiled with -O3 -march=native -fno-math-errno -fno-trapping-math (never -ffast-math), where a call of
// libm stays scalar. Here every choice is a select, every bit trick an unsigned integer, and the polynomials are
// minimax fits made for these intervals. fma() is one instruction wherever -march has it, and else a slow but right
// call. Largest errors met, in units in the last place (float, double): exp 1.0 1.0, expm1 1.5 2.0, log 0.8 0.8, log1p
// 1.4 1.3, sin and cos 1.6 1.6, tan 3.5 3.4, tanh 2.3 2.5, sigmoid 2.2 1.9, softplus 1.7 1.6, rsqrt 1.5 1.5, pow 0.5
// 1.1, atan2 1.3 1.3, erf 1.0 1.1, erfc 4.0 4.6, exprel and its inverse 2.0 2.2, their
// slopes 11 21; sqrt, floor and remainder are exact.
//
// Include it by -iquote, not -I: a folder with a math.h in it must not come before the system's.
#ifndef TORCHMASS_MATH_H
#define TORCHMASS_MATH_H

#include "numbers.h"

namespace tm {

// ---------------------------------------------------------------------------------------------------- exponentials

// (exp r − 1 − r) / r² for |r| ≤ ln 2 / 2
template <class X> TM_INLINE X exp_tail(X r) {
    if constexpr (is_float<X>)
        return poly(r, 0.5000000062, 0.1666654255, 0.04166628047, 0.008366643967, 0.001394656371);
    else
        return poly(r, 0.50000000000000056, 0.166666666666666862, 0.0416666666665729439, 0.00833333333331447228,
                    0.00138888889326164239, 0.000198412699033287961, 0.0000248015041449549051, 2.75572276580079647e-6,
                    2.7626451660685636e-7, 2.51145745883425105e-8);
}

// x = k ln 2 + r; n holds the integer k + offset in its lower bits, and what a shift by the mantissa drops above them
template <class X> struct ByLn2 { X r, k; bits_of<X> n; };
template <class X> TM_INLINE ByLn2<X> by_ln2(X x, int offset) {
    using F = Format<X>;
    const X shift = X(F::shift) + X(scalar_of<X>(offset));  // a constant
    const X t = fma(x, X(1.4426950408889634), shift), k = t - shift;
    return {fma(-k, F::ln2_low, fma(-k, F::ln2_high, x)), k, bits(t)};
}

// 2ᵏ for −bias < k ≤ bias, infinity for k = bias + 1; of an n with the offset `bias`
template <class X> TM_INLINE X power(bits_of<X> n) { return real(n << Format<X>::mantissa); }

// y 2ᵏ rounded once, for y about 1, of an n with the offset 2 bias
template <class X> TM_INLINE X scale(X y, X, bits_of<X> n) {
    const bits_of<X> half = n >> 1;  // two factors, since 2ᵏ itself may overflow, or y 2ᵏ be subnormal
    return y * power<X>(half) * power<X>(n - half);
}
#ifdef TM_SCALE
TM_INLINE Vec<float> scale(Vec<float> y, Vec<float> k, Bits<float>) { return Vec<float>(TM_SCALE(ps, y.v, k.v)); }
TM_INLINE Vec<double> scale(Vec<double> y, Vec<double> k, Bits<double>) { return Vec<double>(TM_SCALE(pd, y.v, k.v)); }
#endif

// exp(x + rest) for a small rest; x may be anything
template <class X> TM_INLINE X exp_sum(X x, X rest) {
    using F = Format<X>;
    const ByLn2<X> p = by_ln2(clamp(x, X(F::exp_low), X(F::exp_high)), 2 * F::bias);
    const X r = p.r + rest, y = X(1) + fma(r * r, exp_tail(r), r);
    return scale(y, p.k, p.n);
}

template <class X> TM_INLINE X exp(X x) { return exp_sum(x, X(-0.0)); }  // the zero that compilers leave out

template <class X> TM_INLINE X expm1(X x) {
    using F = Format<X>;
    const ByLn2<X> p = by_ln2(clamp(x, X(F::expm1_low), X(F::exp_high)), F::bias - 1);
    const X e = fma(p.r * p.r, exp_tail(p.r), p.r);
    const X half = power<X>(p.n);  // 2ᵏ may overflow where the result does not
    const X y = X(2) * fma(half, e, half - X(0.5));
    return select(x == 0, x, y);
}

// (eˣ − 1) / x, its derivative, x / (eˣ − 1), and its derivative: of the first two and of the last two, in one step, the
// compiler takes expm1 and the quotient once. Derivatives near 0, where their parts cancel, are polynomials.
template <class X> TM_INLINE X exprel(X x) { return select(abs(x) < X(1e-20), X(1), expm1(x) * (X(1) / x)); }
template <class X> TM_INLINE X exprel_slope(X x) {
    const X e = expm1(x), inverse = X(1) / x;
    const X far = select(x > 0, fma(e, X(1) - inverse, X(1)), (e + X(1)) - e * inverse) * inverse;  // e may be infinite
    if constexpr (is_float<X>)
        return select(abs(x) < X(1), poly(x, 0.5, 0.3333333243722, 0.1249999991808, 0.0333334527459907, 0.006944455362137,
                                          0.0011900469722504, 0.0001735718589746, 2.26160776207e-5, 2.532335054e-6), far);
    else
        return select(abs(x) < X(0.25), poly(x, 0.5, 0.333333333333333353, 0.125000000000000002, 0.03333333333332701,
                                             0.0069444444444439552, 0.00119047619104274211, 0.000173611111154946147,
                                             2.20458346614485683e-5, 2.4801571271735401e-6, 2.50852502969877725e-7,
                                             2.29900761155935903e-8), far);
}
template <class X> TM_INLINE X inverse_exprel(X x) { return select(abs(x) < X(1e-20), X(1), x * (X(1) / expm1(x))); }
template <class X> TM_INLINE X inverse_exprel_slope(X x) {
    const X e = expm1(x), inverse = X(1) / e, y = x * inverse, z = x * x;  // y eˣ is y + x, written where it loses least
    const X far = (X(1) - select(x < 0, y * (e + X(1)), y + x)) * inverse;
    if constexpr (is_float<X>)
        return select(abs(x) < X(1), fma(x, poly(z, 0.16666666513086, -0.00555550636291886, 0.000198165472283757,
                                                 -6.21306911614e-6), X(-0.5)), far);
    else
        return select(abs(x) < X(0.25), fma(x, poly(z, 0.166666666666666667, -0.00555555555555554931, 0.000198412698411532013,
                                                    -6.61375653410895741e-6, 2.08765110915744455e-7,
                                                    -6.30601785651232295e-9), X(-0.5)), far);
}

// 1 / (1 + 2ᵏ⁺ᶠ) for |f| ≤ ½, where the low bits of t hold k + bias. tanh(f ln 2 / 2) is odd / even, a fraction of few
// terms, so 2ᶠ = (even + odd) / (even − odd), and one division does. Where the result is below the smallest normal
// number it is 0: 2ᵏ is infinite there.
template <class X> TM_INLINE X logistic(X f, X t) {
    const X z = f * f;
    X odd, even;
    if constexpr (is_float<X>) {
        odd = f * poly(z, 0.346573590094154141, 0.00277163662299166566);
        even = poly(z, 1.0, 0.0480349653500760712);
    } else {
        odd = f * poly(z, 0.346573590279972653, 0.00462484117065181491, 5.28708398583000115e-6);
        even = poly(z, 1.0, 0.0533822220034461118, 0.000228933599133478068);
    }
    const X below = even - odd;
    return below / fma(even + odd, power<X>(bits(t)), below);
}

// 1 / (1 + 2ⁿ⁺ʸ) for a whole number n: what is large in an exponent, and does not change, rounds nothing
template <class X> TM_INLINE X sigmoid2(X n, X y) {
    using F = Format<X>;
    const X shift = n + X(F::shift) + X(scalar_of<X>(F::bias));
    const X v = clamp(y, X(scalar_of<X>(-F::bias)) - n, X(scalar_of<X>(F::bias + 1)) - n), t = v + shift;
    return logistic(v - (t - shift), t);
}

template <class X> TM_INLINE X sigmoid(X x) {  // y = −x log₂e
    using F = Format<X>;
    const X shift = X(F::shift) + X(scalar_of<X>(F::bias)), v = clamp(x, X(-F::exp_high), X(-F::exp_normal));
    const X t = fma(v, X(-F::log2e_high), shift);
    return logistic(fma(v, X(-F::log2e_low), fma(v, X(-F::log2e_high), shift - t)), t);
}

template <class X> TM_INLINE X tanh(X x) {
    using F = Format<X>;
    // expm1(−2|x|), which cannot overflow
    const ByLn2<X> p = by_ln2(larger(X(F::expm1_low), X(-2) * abs(x)), F::bias);
    const X e = fma(p.r * p.r, exp_tail(p.r), p.r), two_n = power<X>(p.n);
    const X w = fma(two_n, e, two_n), less = -fma(two_n, e, two_n - X(1));  // exp(−2|x|), and 1 less it
    // (1 − w) / (1 + w), which is 1 − 2w / (1 + w): each where it loses the least
    const mask_of<X> large = w < X(0.33);
    const X q = select(large, X(2) * w, less) / (X(2) - less);
    return copysign(select(large, X(1) - q, q), x);
}

// ------------------------------------------------------------------------------------------------------ logarithms

// x = 2ᵏ⁺ᵉˣᵗʳᵃ m with √½ ≤ m < √2, for a positive, finite and normal x; n is k + extra
template <class X> struct Split { X m, k; bits_of<X> n; };
template <class X> TM_INLINE Split<X> split(X x, int extra = 0) {
    using F = Format<X>;
    const bits_of<X> u = bits(x) - F::root_half + sign_bit<X>, above = u >> F::mantissa;  // n + a power of two
    const bits_of<X> n = above - 2 * (F::bias + 1);
    // an integer below 2ᵐ becomes a number by or-ing it under the exponent of 2ᵐ: no 64-bit conversion needed
    const X k = real(above | bits(F::two_mantissa)) - (F::two_mantissa + scalar_of<X>(2 * (F::bias + 1) + extra));
    return {real((u & F::fraction) + F::root_half), k, n};
}

// k ln 2 + log(1 + f) for f of a split, without the ends
template <class X> TM_INLINE X log_sum_float(X f, X k) {
    using F = Format<X>;
    const X z = f * f;
    X y = f * z * poly(f, 0.3333331673, -0.2500081034, 0.2000228618, -0.1662455575, 0.141811944, -0.1312874361,
                           0.1288162949, -0.07859615582);
    y = fma(k, F::ln2_rest, y);
    y = fma(X(-0.5), z, y) + f;
    return fma(k, F::ln2_short, y);
}
template <class X> TM_INLINE X log_sum_double(X f, X k) {
    using F = Format<X>;
    // with s = f / (2 + f), log(1 + f) = 2s + s w R(w), w = s², and 2s = f − s f
    const X s = f / (2.0 + f), w = s * s, half = 0.5 * f * f;
    const X R = w * poly(w, 0.666666666666673489, 0.399999999994111079, 0.28571428743260379, 0.222221984761358922,
                              0.181835697352601268, 0.153139033021175081, 0.147975076186322494);
    const X y = (half - fma(s, half + R, k * F::ln2_rest)) - f;  // s (f²/2 + R) = f²/2 − s f + …: less is lost
    return fma(k, F::ln2_short, -y);
}
template <class X> TM_INLINE X log_sum(X f, X k) {
    if constexpr (is_float<X>) return log_sum_float(f, k);
    else return log_sum_double(f, k);
}

template <class X> TM_INLINE X log(X x) {
    using F = Format<X>;
    const mask_of<X> tiny = x < F::smallest_normal;
    const Split<X> p = split(select(tiny, x * F::two_mantissa, x));
    const X y = log_sum(p.m - X(1), select(tiny, p.k - X(F::mantissa), p.k));
    const X end = select(x == 0, X(-infinity<X>), select(x < 0, X(not_a_number<X>), x));
    return select((x > 0) & (x < infinity<X>), y, end);
}

// log(1 + x) for x > −1 and finite
template <class X> TM_INLINE X log1p_finite(X x) {
    using F = Format<X>;
    const X u = X(1) + x, lost = select(x >= 1, X(1) - (u - x), x - (u - X(1)));  // u + lost = 1 + x exactly
    const Split<X> p = split(u);
    const X scale = real(bits_of<X>(F::bias - p.n) << F::mantissa);
    return log_sum((p.m - X(1)) + select(x > F::two_mantissa, X(0), lost * scale), p.k);
}

template <class X> TM_INLINE X log1p(X x) {
    const X y = log1p_finite(x);
    const X end = select(x == -1, X(-infinity<X>), select(x < 0, X(not_a_number<X>), x));
    return select((x > -1) & (x < infinity<X>) & (x != 0), y, end);
}

// log(1 + exp x), with no threshold
template <class X> TM_INLINE X softplus(X x) { return select(x > 0, x, X(0)) + log1p_finite(exp(-abs(x))); }

// --------------------------------------------------------------------------------------------------- trigonometry

// sine and cosine for |r| ≤ π / 4
template <class X> struct SinCos { X s, c; };
template <class X> TM_INLINE SinCos<X> sincos_small(X r) {
    const X z = r * r;
    if constexpr (is_float<X>) return {fma(r * z, poly(z, -0.1666665491, 0.008332175844, -0.0001951697723), r),
            fma(z * z, poly(z, 0.04166664681, -0.00138873645, 2.443809278e-5), fma(X(-0.5), z, X(1)))};
    else return {fma(r * z, poly(z, -0.166666666666666319, 0.00833333333332236985, -0.000198412698297710963,
                            2.75573136786480155e-6, -2.50507559593123764e-8, 1.58966664114927621e-10), r),
            fma(z * z, poly(z, 0.0416666666666665992, -0.00138888888888740662, 0.0000248015872894441852,
                            -2.75573143408428769e-7, 2.08757216464978215e-9, -1.13595604180373582e-11),
                fma(X(-0.5), z, X(1)))};
}

// x = n π/2 + r. The first fused step is exact as long as n is, so π/2 in three parts is enough for |x| up to 10⁶ in
// float and 10¹⁵ in double; from there r is wrong, and the clamp keeps sines and cosines inside [−1, 1].
template <class X> struct Quarter { X r; bits_of<X> n; };
template <class X> TM_INLINE Quarter<X> by_half_pi(X x) {
    using F = Format<X>;
    const X t = fma(x, X(0.63661977236758134), F::shift), k = t - F::shift;
    const X r = fma(-k, F::half_pi[2], fma(-k, F::half_pi[1], fma(-k, F::half_pi[0], x)));
    return {clamp(r, X(-1.2), X(1.2)), bits(t) - bits(F::shift)};
}

// sine and cosine of r + n π/2
template <class X> TM_INLINE SinCos<X> turn(SinCos<X> a, bits_of<X> n) {
    constexpr int up = Format<X>::bits - 2;
    const mask_of<X> odd = (n & 1) != 0;
    return {real(bits(select(odd, a.c, a.s)) ^ (n << up & sign_bit<X>)),
            real(bits(select(odd, a.s, a.c)) ^ ((n + 1) << up & sign_bit<X>))};
}

template <class X> TM_INLINE SinCos<X> sincos(X x) {
    const Quarter<X> q = by_half_pi(x);
    return turn(sincos_small(q.r), q.n);
}

template <class X> TM_INLINE X sin(X x) { return sincos(x).s; }  // sin(−0) is +0
template <class X> TM_INLINE X cos(X x) { return sincos(x).c; }
template <class X> TM_INLINE X tan(X x) {
    const SinCos<X> a = sincos(x);
    return a.s / a.c;
}

// (atan(√z)/√z − 1) / z for 0 ≤ z ≤ 1
template <class X> TM_INLINE X atan_tail(X z) {
    if constexpr (is_float<X>)
        return poly(z, -0.3333316697, 0.1999413734, -0.142142102, 0.1067894426, -0.07580586195, 0.04355362984,
                    -0.0165812368, 0.002974602899);
    else
        return poly(z, -0.333333333333330926, 0.199999999999554413, -0.14285714282802551, 0.111111110136597073,
                    -0.0909090711939668977, 0.0769228118820044366, -0.0666641500767824773, 0.0588059260737831079,
                    -0.0525380576089544778, 0.0472329398598010807, -0.0422171924892404621, 0.0366935515660612144,
                    -0.0299856007864804165, 0.0220851792334925495, -0.0139950082573165105, 0.00726337119105753667,
                    -0.00291934889827588507, 0.0008434872762100393, -0.000154797701577709876, 0.0000134893528381346134);
}

template <class X> TM_INLINE X atan2(X y, X x) {
    using F = Format<X>;
    const X ax = abs(x), ay = abs(y), low = select(ay < ax, ay, ax), high = select(ay < ax, ax, ay);
    X q = low / high;
    q = select(high == 0, X(0), select(low == infinity<X>, X(1), q));
    const X z = q * q, a = fma(q * z, atan_tail(z), q);
    const X b = select(ay > ax, F::half_pi[0] - (a - F::half_pi[1]), a);
    const X c = select((bits(x) & sign_bit<X>) != 0, 2 * F::half_pi[0] - (b - 2 * F::half_pi[1]), b);
    return select((x != x) | (y != y), x + y, copysign(c, y));
}

// ------------------------------------------------------------------------------------------------------- remainder

// With the sign of the divisor, as in torch, and the same value as long as |x / y| is below 2⁴⁶ (2¹⁰⁴ in double).
template <class X> TM_INLINE X remainder(X x, X y) {
    const X first = fma(-trunc(x / y), y, x);  // of a large quotient this leaves some, which the second takes away
    X r = fma(-floor(first / y), y, first);
    r = select(((r < 0) ^ (y < 0)) & (r != 0), r + y, r);
    const X beyond = select(((x < 0) ^ (y < 0)) & (x != 0), y, x);
    const X ax = abs(x), ay = abs(y);
    return select((ay == infinity<X>) & (ax < infinity<X>), beyond, r);
}

}  // namespace tm

#include "special.h"

#endif
