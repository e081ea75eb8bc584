// What the elementary functions are built of, the same for a number and for a vector of them: X is float, double,
// Vec<float> or Vec<double>.
#ifndef TORCHMASS_NUMBERS_H
#define TORCHMASS_NUMBERS_H

#include "vector.h"

namespace tm {

template <class X> struct Format;

template <> struct Format<float> {
    using T = float;
    using M = bool;
    using U = std::uint32_t;
    using Word = std::uint32_t;
    static constexpr int mantissa = 23, bits = 32;
    static constexpr int bias = 127;
    static constexpr U root_half = 0x3F3504F3u, fraction = 0x7FFFFFu;
    static constexpr float shift = 0x1.8p23f;  // x + shift holds the integer nearest to x in its low bits
    static constexpr float two_mantissa = 0x1p23f, smallest_normal = 0x1p-126f;
    static constexpr float exp_high = 89.0f, exp_low = -104.0f, exp_normal = -88.0f, expm1_low = -30.0f;
    static constexpr float ln2_high = 0x1.62e43p-1f, ln2_low = -0x1.05c61p-29f, ln2_short = 0x1.62ep-1f,
                           ln2_rest = 0x1.0bfbe8p-15f;
    static constexpr float log2e_high = 0x1.715476p+0f, log2e_low = 0x1.4ae0cp-26f;
    static constexpr float half_pi[3] = {0x1.921fb6p+0f, -0x1.777a5cp-25f, -0x1.ee59dap-50f};
};

template <> struct Format<double> {
    using T = double;
    using M = bool;
    using U = std::uint64_t;
    using Word = std::uint32_t;
    static constexpr int mantissa = 52, bits = 64;
    static constexpr int bias = 1023;
    static constexpr U root_half = 0x3FE6A09E667F3BCDull, fraction = 0xFFFFFFFFFFFFFull;
    static constexpr double shift = 0x1.8p52;
    static constexpr double two_mantissa = 0x1p52, smallest_normal = 0x1p-1022;
    static constexpr double exp_high = 710.0, exp_low = -746.0, exp_normal = -709.0, expm1_low = -50.0;
    static constexpr double ln2_high = 0x1.62e42fefa39efp-1, ln2_low = 0x1.abc9e3b39803fp-56,
                            ln2_short = 0x1.62e42fefap-1, ln2_rest = 0x1.cf79abc9e3b3ap-40;
    static constexpr double log2e_high = 0x1.71547652b82fep+0, log2e_low = 0x1.777d0ffda0d24p-56;
    static constexpr double half_pi[3] = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110};
};

template <class S> struct Format<Vec<S>> : Format<S> {
    using M = Mask<S>;
    using U = Bits<S>;
    using Word = Bits<S>;
};

template <class X> using scalar_of = typename Format<X>::T;
template <class X> using mask_of = typename Format<X>::M;
template <class X> using bits_of = typename Format<X>::U;
template <class X> using word_of = typename Format<X>::Word;  // holds 32 bits
template <class X> constexpr bool is_float = Format<X>::bits == 32;

template <class X> constexpr scalar_of<X> infinity = scalar_of<X>(__builtin_inf());
template <class X> constexpr scalar_of<X> not_a_number = scalar_of<X>(__builtin_nan(""));
template <class X> constexpr bits_of<scalar_of<X>> sign_bit = bits_of<scalar_of<X>>(1) << (Format<X>::bits - 1);

TM_INLINE std::uint32_t bits(float x) { std::uint32_t u; __builtin_memcpy(&u, &x, 4); return u; }
TM_INLINE std::uint64_t bits(double x) { std::uint64_t u; __builtin_memcpy(&u, &x, 8); return u; }
TM_INLINE Bits<float> bits(Vec<float> x) { return Bits<float>(u32(x.v)); }
TM_INLINE Bits<double> bits(Vec<double> x) { return Bits<double>(u64(x.v)); }
TM_INLINE float real(std::uint32_t u) { float x; __builtin_memcpy(&x, &u, 4); return x; }
TM_INLINE double real(std::uint64_t u) { double x; __builtin_memcpy(&x, &u, 8); return x; }
TM_INLINE Vec<float> real(Bits<float> u) { return Vec<float>(f32(u.v)); }
TM_INLINE Vec<double> real(Bits<double> u) { return Vec<double>(f64(u.v)); }

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
// a < b ? a : b and a > b ? a : b, so b where either is NaN
TM_INLINE float smaller(float a, float b) { return a < b ? a : b; }
TM_INLINE double smaller(double a, double b) { return a < b ? a : b; }
TM_INLINE float larger(float a, float b) { return a > b ? a : b; }
TM_INLINE double larger(double a, double b) { return a > b ? a : b; }

TM_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return Vec<float>(native_fma(a.v, b.v, c.v)); }
TM_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
    return Vec<double>(native_fma(a.v, b.v, c.v));
}
template <class T> TM_INLINE Vec<T> sqrt(Vec<T> x) { return Vec<T>(native_sqrt(x.v)); }
template <class T> TM_INLINE Vec<T> floor(Vec<T> x) { return Vec<T>(native_floor(x.v)); }
template <class T> TM_INLINE Vec<T> trunc(Vec<T> x) { return Vec<T>(native_trunc(x.v)); }
template <class T> TM_INLINE Vec<T> abs(Vec<T> x) { return real(bits(x) & ~sign_bit<T>); }
template <class T> TM_INLINE Vec<T> smaller(Vec<T> a, Vec<T> b) { return Vec<T>(native_min(a.v, b.v)); }
template <class T> TM_INLINE Vec<T> larger(Vec<T> a, Vec<T> b) { return Vec<T>(native_max(a.v, b.v)); }

template <class X> TM_INLINE X rsqrt(X x) { return X(1) / sqrt(x); }

// sign(NaN) is 0, as in torch
template <class X> TM_INLINE X sign(X x) { return select(x > 0, X(1), X(0)) - select(x < 0, X(1), X(0)); }
template <class X> TM_INLINE X copysign(X size, X from) {
    return real((bits(size) & ~sign_bit<X>) | (bits(from) & sign_bit<X>));
}
// a NaN on either side comes through, as in torch
template <class X> TM_INLINE X minimum(X a, X b) { return select(a != a, a, smaller(a, b)); }
template <class X> TM_INLINE X maximum(X a, X b) { return select(a != a, a, larger(a, b)); }
template <class X> TM_INLINE X clamp(X x, X low, X high) { return smaller(high, larger(low, x)); }

// c0 + c1 x + c2 x² + …
template <class X> TM_INLINE X poly(X, double c) { return X(c); }
template <class X, class... C> TM_INLINE X poly(X x, double c, C... more) { return fma(x, poly(x, more...), X(c)); }

// a word as a number, rounded; of a wider lane the lower 32 bits
TM_INLINE void number(std::uint32_t word, float &x) { x = float(word); }
TM_INLINE void number(std::uint32_t word, double &x) { x = double(word); }
TM_INLINE void number(Bits<float> word, Vec<float> &x) { x = Vec<float>(__builtin_convertvector(word.v, f32)); }
TM_INLINE void number(Bits<double> word, Vec<double> &x) {
    x = real((word & 0xFFFFFFFFu) | bits(0x1p52)) - 0x1p52;
}

// and as one with a sign; a wider lane is one already
TM_INLINE void signed_number(std::uint32_t word, float &x) { x = float(std::int32_t(word)); }
TM_INLINE void signed_number(std::uint32_t word, double &x) { x = double(std::int32_t(word)); }
TM_INLINE void signed_number(Bits<float> word, Vec<float> &x) {
    x = Vec<float>(__builtin_convertvector(i32(word.v), f32));
}
TM_INLINE void signed_number(Bits<double> word, Vec<double> &x) { x = real(word + bits(0x1.8p52)) - 0x1.8p52; }

}  // namespace tm

#endif
