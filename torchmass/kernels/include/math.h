// Elementary functions that vectorise: branch-free, inlined, the same value in every lane. For float and double.
//
// Kernels are compiled with -O3 -march=native -fopenmp-simd -fno-math-errno -fno-trapping-math (never -ffast-math),
// where a call of libm stays scalar. Here every choice is a select, every bit trick an unsigned integer, and the
// polynomials are minimax fits made for these intervals. fma() is one instruction wherever -march has it, and else a
// slow but right call. Largest errors met, in units in the last place (float, double): exp 1.0 1.0, expm1 1.5 2.0,
// log 0.8 0.8, log1p 1.4 1.3, sin and cos 1.6 1.6, tan 3.5 3.4, tanh 2.3 2.5, sigmoid 2.4 2.3, softplus 1.7 1.6,
// rsqrt 1.5 1.5, pow 0.5 1.1, atan2 1.3 1.3, erf 1.0 1.1, erfc 4.0 4.6; sqrt, floor and remainder are exact.
//
// Include it by -iquote, not -I: a folder with a math.h in it must not come before the system's.
#ifndef TORCHMASS_MATH_H
#define TORCHMASS_MATH_H

#include <cstdint>

#define TM_INLINE static inline __attribute__((always_inline))

namespace tm {

template <class T> struct Format;

template <> struct Format<float> {
    using U = std::uint32_t;
    static constexpr int mantissa = 23, bits = 32;
    static constexpr U bias = 127, root_half = 0x3F3504F3u;
    static constexpr float shift = 0x1.8p23f;  // x + shift holds the integer nearest to x in its low bits
    static constexpr float two_mantissa = 0x1p23f, smallest_normal = 0x1p-126f;
    static constexpr float exp_high = 89.0f, exp_low = -104.0f, expm1_low = -30.0f;
    static constexpr float ln2_high = 0x1.62e43p-1f, ln2_low = -0x1.05c61p-29f, ln2_short = 0x1.62ep-1f,
                           ln2_rest = 0x1.0bfbe8p-15f;
    static constexpr float half_pi[3] = {0x1.921fb6p+0f, -0x1.777a5cp-25f, -0x1.ee59dap-50f};
};

template <> struct Format<double> {
    using U = std::uint64_t;
    static constexpr int mantissa = 52, bits = 64;
    static constexpr U bias = 1023, root_half = 0x3FE6A09E667F3BCDull;
    static constexpr double shift = 0x1.8p52;
    static constexpr double two_mantissa = 0x1p52, smallest_normal = 0x1p-1022;
    static constexpr double exp_high = 710.0, exp_low = -746.0, expm1_low = -50.0;
    static constexpr double ln2_high = 0x1.62e42fefa39efp-1, ln2_low = 0x1.abc9e3b39803fp-56,
                            ln2_short = 0x1.62e42fefap-1, ln2_rest = 0x1.cf79abc9e3b3ap-40;
    static constexpr double half_pi[3] = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110};
};

template <class T> using bits_of = typename Format<T>::U;

TM_INLINE std::uint32_t bits(float x) { std::uint32_t u; __builtin_memcpy(&u, &x, 4); return u; }
TM_INLINE std::uint64_t bits(double x) { std::uint64_t u; __builtin_memcpy(&u, &x, 8); return u; }
TM_INLINE float real(std::uint32_t u) { float x; __builtin_memcpy(&x, &u, 4); return x; }
TM_INLINE double real(std::uint64_t u) { double x; __builtin_memcpy(&x, &u, 8); return x; }

template <class T> constexpr T infinity = T(__builtin_inf());
template <class T> constexpr T not_a_number = T(__builtin_nan(""));
template <class T> constexpr bits_of<T> sign_bit = bits_of<T>(1) << (Format<T>::bits - 1);

TM_INLINE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
TM_INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
TM_INLINE float sqrt(float x) { return __builtin_sqrtf(x); }
TM_INLINE double sqrt(double x) { return __builtin_sqrt(x); }
TM_INLINE float floor(float x) { return __builtin_floorf(x); }
TM_INLINE double floor(double x) { return __builtin_floor(x); }
TM_INLINE float trunc(float x) { return __builtin_truncf(x); }
TM_INLINE double trunc(double x) { return __builtin_trunc(x); }
TM_INLINE float abs(float x) { return __builtin_fabsf(x); }
TM_INLINE double abs(double x) { return __builtin_fabs(x); }
template <class T> TM_INLINE T rsqrt(T x) { return T(1) / sqrt(x); }

// sign(NaN) is 0, as in torch
template <class T> TM_INLINE T sign(T x) { return (x > 0 ? T(1) : T(0)) - (x < 0 ? T(1) : T(0)); }
template <class T> TM_INLINE T copysign(T size, T from) {
    return real((bits(size) & ~sign_bit<T>) | (bits(from) & sign_bit<T>));
}
// a NaN on either side comes through, as in torch
template <class T> TM_INLINE T minimum(T a, T b) { return (a < b) | (a != a) ? a : b; }
template <class T> TM_INLINE T maximum(T a, T b) { return (a > b) | (a != a) ? a : b; }
template <class T> TM_INLINE T clamp(T x, T low, T high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

// c0 + c1 x + c2 x² + …
template <class T> TM_INLINE T poly(T, double c) { return T(c); }
template <class T, class... C> TM_INLINE T poly(T x, double c, C... more) { return fma(x, poly(x, more...), T(c)); }

// ---------------------------------------------------------------------------------------------------- exponentials

// (exp r − 1 − r) / r² for |r| ≤ ln 2 / 2
TM_INLINE float exp_tail(float r) {
    return poly(r, 0.5000000062, 0.1666654255, 0.04166628047, 0.008366643967, 0.001394656371);
}
TM_INLINE double exp_tail(double r) {
    return poly(r, 0.50000000000000056, 0.166666666666666862, 0.0416666666665729439, 0.00833333333331447228,
                0.00138888889326164239, 0.000198412699033287961, 0.0000248015041449549051, 2.75572276580079647e-6,
                2.7626451660685636e-7, 2.51145745883425105e-8);
}

template <class T> TM_INLINE T power_of_two(bits_of<T> n) { return real((n + Format<T>::bias) << Format<T>::mantissa); }

// x = n ln 2 + r, n as an integer modulo 2³² or 2⁶⁴
template <class T> struct ByLn2 { T r; bits_of<T> n; };
template <class T> TM_INLINE ByLn2<T> by_ln2(T x) {
    using F = Format<T>;
    const T t = fma(x, T(1.4426950408889634), F::shift), k = t - F::shift;
    return {fma(-k, F::ln2_low, fma(-k, F::ln2_high, x)), bits(t) - bits(F::shift)};
}

// exp(x + rest) for a small rest; x may be anything
template <class T> TM_INLINE T exp_sum(T x, T rest) {
    using F = Format<T>;
    const ByLn2<T> p = by_ln2(clamp(x, F::exp_low, F::exp_high));
    const T r = p.r + rest, y = T(1) + fma(r * r, exp_tail(r), r);
    // two factors, since 2ⁿ itself may overflow, or y 2ⁿ be subnormal; an unsigned shift, since a signed one of
    // 64 bits does not vectorise everywhere
    constexpr bits_of<T> off = F::bias + 1;
    const bits_of<T> half = ((p.n + 2 * off) >> 1) - off;
    return y * power_of_two<T>(half) * power_of_two<T>(p.n - half);
}

template <class T> TM_INLINE T exp(T x) { return exp_sum(x, T(0)); }

template <class T> TM_INLINE T expm1(T x) {
    using F = Format<T>;
    const ByLn2<T> p = by_ln2(clamp(x, F::expm1_low, F::exp_high));
    const T e = fma(p.r * p.r, exp_tail(p.r), p.r);
    const T half = power_of_two<T>(p.n - 1);  // 2ⁿ may overflow where the result does not
    const T y = T(2) * fma(half, e, half - T(0.5));
    return x == 0 ? x : y;
}

template <class T> TM_INLINE T sigmoid(T x) {
    const T e = exp(-abs(x));
    return (x < 0 ? e : T(1)) / (T(1) + e);
}

template <class T> TM_INLINE T tanh(T x) {
    using F = Format<T>;
    // expm1(−2|x|), which cannot overflow
    const ByLn2<T> p = by_ln2(clamp(T(-2) * abs(x), F::expm1_low, T(0)));
    const T e = fma(p.r * p.r, exp_tail(p.r), p.r), two_n = power_of_two<T>(p.n);
    const T w = fma(two_n, e, two_n), less = -fma(two_n, e, two_n - T(1));  // exp(−2|x|), and 1 less it
    // (1 − w) / (1 + w), which is 1 − 2w / (1 + w): each where it loses the least
    const bool large = w < T(0.33);
    const T q = (large ? T(2) * w : less) / (T(2) - less);
    return copysign(large ? T(1) - q : q, x);
}

// ------------------------------------------------------------------------------------------------------ logarithms

// x = 2ᵏ m with √½ ≤ m < √2, for a positive, finite and normal x
template <class T> struct Split { T m, k; bits_of<T> n; };
template <class T> TM_INLINE Split<T> split(T x) {
    using F = Format<T>;
    const bits_of<T> u = bits(x), above = (u - F::root_half + sign_bit<T>) >> F::mantissa;  // k + a power of two
    const bits_of<T> n = above - 2 * (F::bias + 1);
    // an integer below 2ᵐ becomes a number by or-ing it under the exponent of 2ᵐ: no 64-bit conversion needed
    const T k = real(above | bits(F::two_mantissa)) - (F::two_mantissa + T(2 * (F::bias + 1)));
    return {real(u - (n << F::mantissa)), k, n};
}

// k ln 2 + log(1 + f) for f of a split, without the ends
TM_INLINE float log_sum(float f, float k) {
    using F = Format<float>;
    const float z = f * f;
    float y = f * z * poly(f, 0.3333331673, -0.2500081034, 0.2000228618, -0.1662455575, 0.141811944, -0.1312874361,
                           0.1288162949, -0.07859615582);
    y = fma(k, F::ln2_rest, y);
    y = fma(-0.5f, z, y) + f;
    return fma(k, F::ln2_short, y);
}
TM_INLINE double log_sum(double f, double k) {
    using F = Format<double>;
    // with s = f / (2 + f), log(1 + f) = 2s + s w R(w), w = s², and 2s = f − s f
    const double s = f / (2.0 + f), w = s * s, half = 0.5 * f * f;
    const double R = w * poly(w, 0.666666666666673489, 0.399999999994111079, 0.28571428743260379, 0.222221984761358922,
                              0.181835697352601268, 0.153139033021175081, 0.147975076186322494);
    const double y = (half - fma(s, half + R, k * F::ln2_rest)) - f;  // s (f²/2 + R) = f²/2 − s f + …: less is lost
    return fma(k, F::ln2_short, -y);
}

template <class T> TM_INLINE T log(T x) {
    using F = Format<T>;
    const bool tiny = x < F::smallest_normal;
    const Split<T> p = split(tiny ? x * F::two_mantissa : x);
    const T y = log_sum(p.m - T(1), tiny ? p.k - T(F::mantissa) : p.k);
    const T end = x == 0 ? -infinity<T> : x < 0 ? not_a_number<T> : x;
    return (x > 0) & (x < infinity<T>) ? y : end;
}

// log(1 + x) for x > −1 and finite
template <class T> TM_INLINE T log1p_finite(T x) {
    using F = Format<T>;
    const T u = T(1) + x, lost = x >= 1 ? T(1) - (u - x) : x - (u - T(1));  // u + lost = 1 + x exactly
    const Split<T> p = split(u);
    const T scale = real(bits_of<T>(F::bias - p.n) << F::mantissa);
    return log_sum((p.m - T(1)) + (x > F::two_mantissa ? T(0) : lost * scale), p.k);
}

template <class T> TM_INLINE T log1p(T x) {
    const T y = log1p_finite(x);
    const T end = x == -1 ? -infinity<T> : x < 0 ? not_a_number<T> : x;
    return (x > -1) & (x < infinity<T>) & (x != 0) ? y : end;
}

// log(1 + exp x), with no threshold
template <class T> TM_INLINE T softplus(T x) { return (x > 0 ? x : T(0)) + log1p_finite(exp(-abs(x))); }

// --------------------------------------------------------------------------------------------------- trigonometry

// sine and cosine for |r| ≤ π / 4
template <class T> struct SinCos { T s, c; };
TM_INLINE SinCos<float> sincos_small(float r) {
    const float z = r * r;
    return {fma(r * z, poly(z, -0.1666665491, 0.008332175844, -0.0001951697723), r),
            fma(z * z, poly(z, 0.04166664681, -0.00138873645, 2.443809278e-5), fma(-0.5f, z, 1.0f))};
}
TM_INLINE SinCos<double> sincos_small(double r) {
    const double z = r * r;
    return {fma(r * z, poly(z, -0.166666666666666319, 0.00833333333332236985, -0.000198412698297710963,
                            2.75573136786480155e-6, -2.50507559593123764e-8, 1.58966664114927621e-10), r),
            fma(z * z, poly(z, 0.0416666666666665992, -0.00138888888888740662, 0.0000248015872894441852,
                            -2.75573143408428769e-7, 2.08757216464978215e-9, -1.13595604180373582e-11),
                fma(-0.5, z, 1.0))};
}

// x = n π/2 + r. The first fused step is exact as long as n is, so π/2 in three parts is enough for |x| up to 10⁶ in
// float and 10¹⁵ in double; from there r is wrong, and the clamp keeps sines and cosines inside [−1, 1].
template <class T> struct Quarter { T r; bits_of<T> n; };
template <class T> TM_INLINE Quarter<T> by_half_pi(T x) {
    using F = Format<T>;
    const T t = fma(x, T(0.63661977236758134), F::shift), k = t - F::shift;
    const T r = fma(-k, F::half_pi[2], fma(-k, F::half_pi[1], fma(-k, F::half_pi[0], x)));
    return {clamp(r, T(-1.2), T(1.2)), bits(t) - bits(F::shift)};
}

// sine and cosine of r + n π/2
template <class T> TM_INLINE SinCos<T> turn(SinCos<T> a, bits_of<T> n) {
    constexpr int up = Format<T>::bits - 2;
    const bool odd = (n & 1) != 0;
    return {real(bits(odd ? a.c : a.s) ^ ((n & 2) << up)), real(bits(odd ? a.s : a.c) ^ (((n + 1) & 2) << up))};
}

template <class T> TM_INLINE SinCos<T> sincos(T x) {
    const Quarter<T> q = by_half_pi(x);
    return turn(sincos_small(q.r), q.n);
}

template <class T> TM_INLINE T sin(T x) { return sincos(x).s; }  // sin(−0) is +0
template <class T> TM_INLINE T cos(T x) { return sincos(x).c; }
template <class T> TM_INLINE T tan(T x) {
    const SinCos<T> a = sincos(x);
    return a.s / a.c;
}

// (atan(√z)/√z − 1) / z for 0 ≤ z ≤ 1
TM_INLINE float atan_tail(float z) {
    return poly(z, -0.3333316697, 0.1999413734, -0.142142102, 0.1067894426, -0.07580586195, 0.04355362984,
                -0.0165812368, 0.002974602899);
}
TM_INLINE double atan_tail(double z) {
    return poly(z, -0.333333333333330926, 0.199999999999554413, -0.14285714282802551, 0.111111110136597073,
                -0.0909090711939668977, 0.0769228118820044366, -0.0666641500767824773, 0.0588059260737831079,
                -0.0525380576089544778, 0.0472329398598010807, -0.0422171924892404621, 0.0366935515660612144,
                -0.0299856007864804165, 0.0220851792334925495, -0.0139950082573165105, 0.00726337119105753667,
                -0.00291934889827588507, 0.0008434872762100393, -0.000154797701577709876, 0.0000134893528381346134);
}

template <class T> TM_INLINE T atan2(T y, T x) {
    using F = Format<T>;
    const T ax = abs(x), ay = abs(y), low = ay < ax ? ay : ax, high = ay < ax ? ax : ay;
    T q = low / high;
    q = high == 0 ? T(0) : (low == infinity<T> ? T(1) : q);
    const T z = q * q, a = fma(q * z, atan_tail(z), q);
    const T b = ay > ax ? F::half_pi[0] - (a - F::half_pi[1]) : a;
    const T c = (bits(x) & sign_bit<T>) != 0 ? 2 * F::half_pi[0] - (b - 2 * F::half_pi[1]) : b;
    return (x != x) | (y != y) ? x + y : copysign(c, y);
}

// ---------------------------------------------------------------------------------------------------------- powers

// log of a positive finite x as a sum of two doubles, to some 2⁻⁶⁵ of itself
struct Pair { double high, low; };
TM_INLINE Pair log_pair(double x) {
    using F = Format<double>;
    const bool tiny = x < F::smallest_normal;
    const Split<double> p = split(tiny ? x * F::two_mantissa : x);
    const double k = tiny ? p.k - 52.0 : p.k, f = p.m - 1.0;
    const double d = 1.0 + p.m, d_low = p.m - (d - 1.0), inverse = 1.0 / d;
    const double s = f * inverse, s_low = (fma(-s, d, f) - s * d_low) * inverse;  // s = f / (2 + f)
    const double w = s * s, w_low = fma(s, s, -w) + 2.0 * s * s_low;
    const double q = w * poly(w, 0.399999999999999773, 0.285714285714452166, 0.22222222217510835, 0.181818188734691687,
                              0.153845566551846051, 0.133363257433327744, 0.116746491253865169, 0.119904269807068844);
    constexpr double third = 0x1.5555555555555p-1, third_low = 0x1.5555555555555p-55;  // 2/3
    const double a = third + q, a_low = ((third - a) + q) + third_low;
    const double b = a * w, b_low = fma(a, w, -b) + (a * w_low + a_low * w);
    const double c = s * b, c_low = fma(s, b, -c) + (s * b_low + s_low * b);
    const double h = 2.0 * s + c, l = ((2.0 * s - h) + c) + (c_low + 2.0 * s_low);
    const double e = k * F::ln2_high, e_low = fma(k, F::ln2_high, -e) + k * F::ln2_low;
    const double sum = e + h;
    return {sum, ((e - sum) + h) + (e_low + l)};
}

// from |x|ʸ for finite |x| > 0 to the power with all its special cases
template <class T> TM_INLINE T pow_ends(T size, T x, T y) {
    const bool whole = floor(y) == y, odd = whole & (floor(T(0.5) * y) != T(0.5) * y);
    const bool below = (bits(x) & sign_bit<T>) != 0;
    T r = real(bits(size) ^ (below & odd ? sign_bit<T> : bits_of<T>(0)));
    r = (x < 0) & (x > -infinity<T>) & !whole ? not_a_number<T> : r;
    r = (x == -1) & (abs(y) == infinity<T>) ? T(1) : r;
    r = (x != x) | (y != y) ? x + y : r;
    return (x == 1) | (y == 0) ? T(1) : r;
}

TM_INLINE double pow(double x, double y) {
    const double ax = abs(x);
    const Pair l = log_pair(ax);
    const double h = ax == 0 ? -infinity<double> : (ax < infinity<double> ? l.high : infinity<double>);
    const double e = y * h, e_low = fma(y, l.high, -e) + y * l.low;
    return pow_ends(exp_sum(e, abs(e) < 800.0 ? e_low : 0.0), x, y);
}

// in double: exp(y log x) is then right to float rounding
TM_INLINE float pow(float x, float y) {
    const double ax = abs(double(x));
    const Split<double> p = split(ax);  // a subnormal float is a normal double
    const double h = ax == 0 ? -infinity<double> : (ax < infinity<double> ? log_sum(p.m - 1.0, p.k) : ax);
    return pow_ends(float(exp(double(y) * h)), x, y);
}

// ------------------------------------------------------------------------------------------------- error functions

// erf(√z)/√z − 1 for 0 ≤ z ≤ 1
TM_INLINE float erf_small(float z) {
    return poly(z, 0.128379166, -0.3761262714, 0.1128360018, -0.02685444486, 0.005189535819, -0.0008020845283,
                7.88913209e-5);
}
TM_INLINE double erf_small(double z) {
    return poly(z, 0.12837916709551257, -0.376126389031835466, 0.112837916709452529, -0.0268661706432761717,
                0.00522397760742314289, -0.000854832598968406395, 0.000120552953201983522, -0.0000149247446591335475,
                1.64475176423778531e-6, -1.62091757495890991e-7, 1.372297597471211e-8, -7.80118898741314774e-10);
}

// exp(a²) erfc(a) for 0.45 ≤ a ≤ 30, by a polynomial in 1 / (1 + a / constant)
TM_INLINE float erfcx(float a) {
    const float t = 2.0f / (2.0f + a);
    return t * poly(t, 0.2820950048, 0.2820839973, 0.2470594693, 0.1737019709, 0.1021209105, -0.08793334542,
                    0.1927290138, -0.5360270246, 0.5602202072, -0.2651701739, 0.04911773395);
}
TM_INLINE double erfcx(double a) {
    const double t = 3.0 / (3.0 + a);
    return t * poly(t, 0.188063194514673851, 0.1880631946162009, 0.177615235532936166, 0.156719414137007476,
                    0.127115441441367932, 0.0923058845787599434, 0.0568420668583773369, 0.0271703882690831214,
                    -0.00118671652484047068, 0.0156099189397064742, -0.0928190573880142331, 0.237125163744227492,
                    -0.574199461764900255, 1.10625904119999868, -1.69206383571051065, 2.06228245562650077,
                    -1.93690206048961894, 1.34830461103865733, -0.668861527873746975, 0.223626707393590211,
                    -0.0452762535567667323, 0.00420619541962973158);
}

// erfc(a) for a ≥ 0.45
template <class T> TM_INLINE T erfc_large(T a) {
    const T x = a > 30 ? T(30) : a;
    const T h = x * x;
    return erfcx(x) * exp_sum(-h, -fma(x, x, -h));
}

template <class T> TM_INLINE T erf(T x) {
    const T a = abs(x), small = fma(x, erf_small(x * x), x);
    return a < 1 ? small : copysign(T(1) - erfc_large(a), x);
}

template <class T> TM_INLINE T erfc(T x) {
    const T a = abs(x), small = T(1) - fma(x, erf_small(x * x), x), large = erfc_large(a);
    return a < T(0.5) ? small : (x < 0 ? T(2) - large : large);
}

// ------------------------------------------------------------------------------------------------------- remainder

// With the sign of the divisor, as in torch, and the same value as long as |x / y| is below 2⁴⁶ (2¹⁰⁴ in double).
template <class T> TM_INLINE T remainder(T x, T y) {
    const T first = fma(-trunc(x / y), y, x);  // of a large quotient this leaves some, which the second takes away
    T r = fma(-floor(first / y), y, first);
    r = ((r < 0) != (y < 0)) & (r != 0) ? r + y : r;
    const T beyond = ((x < 0) != (y < 0)) & (x != 0) ? y : x;
    return (abs(y) == infinity<T>) & (abs(x) < infinity<T>) ? beyond : r;
}

}  // namespace tm

#endif
