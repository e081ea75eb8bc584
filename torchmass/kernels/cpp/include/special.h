// Powers and error functions; the last part of math.h, which includes it.
#ifndef TORCHMASS_SPECIAL_H
#define TORCHMASS_SPECIAL_H

#include "math.h"

namespace tm {

// ---------------------------------------------------------------------------------------------------------- powers

// log of a positive finite x as a sum of two doubles, to some 2⁻⁶⁵ of itself
template <class X> struct Pair { X high, low; };
template <class X> TM_INLINE Pair<X> log_pair(X x) {
    using F = Format<X>;
    const mask_of<X> tiny = x < F::smallest_normal;
    const Split<X> p = split(select(tiny, x * F::two_mantissa, x));
    const X k = select(tiny, p.k - 52.0, p.k), f = p.m - 1.0;
    const X d = 1.0 + p.m, d_low = p.m - (d - 1.0), inverse = 1.0 / d;
    const X s = f * inverse, s_low = (fma(-s, d, f) - s * d_low) * inverse;  // s = f / (2 + f)
    const X w = s * s, w_low = fma(s, s, -w) + 2.0 * s * s_low;
    const X q = w * poly(w, 0.399999999999999773, 0.285714285714452166, 0.22222222217510835, 0.181818188734691687,
                              0.153845566551846051, 0.133363257433327744, 0.116746491253865169, 0.119904269807068844);
    constexpr double third = 0x1.5555555555555p-1, third_low = 0x1.5555555555555p-55;  // 2/3
    const X a = third + q, a_low = ((third - a) + q) + third_low;
    const X b = a * w, b_low = fma(a, w, -b) + (a * w_low + a_low * w);
    const X c = s * b, c_low = fma(s, b, -c) + (s * b_low + s_low * b);
    const X h = 2.0 * s + c, l = ((2.0 * s - h) + c) + (c_low + 2.0 * s_low);
    const X e = k * F::ln2_high, e_low = fma(k, X(F::ln2_high), -e) + k * F::ln2_low;
    const X sum = e + h;
    return {sum, ((e - sum) + h) + (e_low + l)};
}

// from |x|ʸ for finite |x| > 0 to the power with all its special cases
template <class X> TM_INLINE X pow_ends(X size, X x, X y) {
    const mask_of<X> whole = floor(y) == y, odd = whole & (floor(X(0.5) * y) != X(0.5) * y);
    const mask_of<X> below = (bits(x) & sign_bit<X>) != 0;
    X r = select(below & odd, -size, size);
    r = select((x < 0) & (x > -infinity<X>) & !whole, X(not_a_number<X>), r);
    r = select((x == -1) & (abs(y) == infinity<X>), X(1), r);
    r = select((x != x) | (y != y), x + y, r);
    return select((x == 1) | (y == 0), X(1), r);
}

template <class X> TM_INLINE X pow_double(X x, X y) {
    const X ax = abs(x);
    const Pair<X> l = log_pair(ax);
    const X h = select(ax == 0, X(-infinity<X>), select(ax < infinity<X>, l.high, X(infinity<X>)));
    const X e = y * h, e_low = fma(y, l.high, -e) + y * l.low;
    return pow_ends(exp_sum(e, select(abs(e) < 800.0, e_low, X(0))), x, y);
}

// a vector of floats as two of doubles
struct Wide { Vec<double> low, high; };
typedef float HalfFloats __attribute__((vector_size(TM_VECTOR_BYTES / 2)));
TM_INLINE Wide widen(Vec<float> x) {
    HalfFloats half[2];
    __builtin_memcpy(half, &x.v, sizeof x.v);
    return {Vec<double>(__builtin_convertvector(half[0], f64)), Vec<double>(__builtin_convertvector(half[1], f64))};
}
TM_INLINE Vec<float> narrow(Wide x) {
    const HalfFloats half[2] = {__builtin_convertvector(x.low.v, HalfFloats),
                                __builtin_convertvector(x.high.v, HalfFloats)};
    f32 r;
    __builtin_memcpy(&r, half, sizeof r);
    return Vec<float>(r);
}

// in double: exp(y log x) is then right to float rounding
template <class D> TM_INLINE D pow_wide(D ax, D y) {
    const Split<D> p = split(ax);  // a subnormal float is a normal double
    const D h = select(ax == 0, D(-infinity<D>), select(ax < infinity<D>, log_sum(p.m - 1.0, p.k), ax));
    return exp(y * h);
}

TM_INLINE double pow(double x, double y) { return pow_double(x, y); }
TM_INLINE Vec<double> pow(Vec<double> x, Vec<double> y) { return pow_double(x, y); }
TM_INLINE float pow(float x, float y) { return pow_ends(float(pow_wide(abs(double(x)), double(y))), x, y); }
TM_INLINE Vec<float> pow(Vec<float> x, Vec<float> y) {
    const Wide a = widen(abs(x)), b = widen(y);
    return pow_ends(narrow({pow_wide(a.low, b.low), pow_wide(a.high, b.high)}), x, y);
}

// ------------------------------------------------------------------------------------------------- error functions

// erf(√z)/√z − 1 for 0 ≤ z ≤ 1
template <class X> TM_INLINE X erf_small(X z) {
    if constexpr (is_float<X>)
        return poly(z, 0.128379166, -0.3761262714, 0.1128360018, -0.02685444486, 0.005189535819, -0.0008020845283,
                    7.88913209e-5);
    else
        return poly(z, 0.12837916709551257, -0.376126389031835466, 0.112837916709452529, -0.0268661706432761717,
                    0.00522397760742314289, -0.000854832598968406395, 0.000120552953201983522,
                    -0.0000149247446591335475, 1.64475176423778531e-6, -1.62091757495890991e-7, 1.372297597471211e-8,
                    -7.80118898741314774e-10);
}

// exp(a²) erfc(a) for 0.45 ≤ a ≤ 30, by a polynomial in 1 / (1 + a / constant)
template <class X> TM_INLINE X erfcx(X a) {
    constexpr scalar_of<X> constant = is_float<X> ? 2 : 3;
    const X t = constant / (constant + a);
    if constexpr (is_float<X>)
        return t * poly(t, 0.2820950048, 0.2820839973, 0.2470594693, 0.1737019709, 0.1021209105, -0.08793334542,
                        0.1927290138, -0.5360270246, 0.5602202072, -0.2651701739, 0.04911773395);
    else
        return t * poly(t, 0.188063194514673851, 0.1880631946162009, 0.177615235532936166, 0.156719414137007476,
                        0.127115441441367932, 0.0923058845787599434, 0.0568420668583773369, 0.0271703882690831214,
                        -0.00118671652484047068, 0.0156099189397064742, -0.0928190573880142331, 0.237125163744227492,
                        -0.574199461764900255, 1.10625904119999868, -1.69206383571051065, 2.06228245562650077,
                        -1.93690206048961894, 1.34830461103865733, -0.668861527873746975, 0.223626707393590211,
                        -0.0452762535567667323, 0.00420619541962973158);
}

// erfc(a) for a ≥ 0.45
template <class X> TM_INLINE X erfc_large(X a) {
    const X x = select(a > 30, X(30), a);
    const X h = x * x;
    return erfcx(x) * exp_sum(-h, -fma(x, x, -h));
}

template <class X> TM_INLINE X erf(X x) {
    const X a = abs(x), small = fma(x, erf_small(x * x), x);
    return select(a < 1, small, copysign(X(1) - erfc_large(a), x));
}

template <class X> TM_INLINE X erfc(X x) {
    const X a = abs(x), small = X(1) - fma(x, erf_small(x * x), x), large = erfc_large(a);
    return select(a < X(0.5), small, select(x < 0, X(2) - large, large));
}

}  // namespace tm

#endif
