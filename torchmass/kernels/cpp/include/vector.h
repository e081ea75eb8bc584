// Vec<float> and Vec<double>: one native vector, so that a kernel's state lives in registers, whatever the loop around
// it. GCC's and clang's vector extensions, which know registers, masks and blends; builtins only for what they lack.
// They are builtins and not <immintrin.h>, since that header alone takes a third of a second to read.
#ifndef TORCHMASS_VECTOR_H
#define TORCHMASS_VECTOR_H

#include <cstdint>

// also what only asks for memory in time: GCC takes such a function for one without effects, and leaves its calls out
#define TM_ALWAYS inline __attribute__((always_inline))
#define TM_INLINE static TM_ALWAYS
#define TM_ONCE __attribute__((cold, noinline))  // what runs once in a run: it should take little time to compile

#ifndef TM_VECTOR_BYTES
#if defined(__AVX512F__)
#define TM_VECTOR_BYTES 64
#elif defined(__AVX__)
#define TM_VECTOR_BYTES 32
#else
#define TM_VECTOR_BYTES 16
#endif
#endif

namespace tm {

// ---------------------------------------------------------------------------------------------------------- native

#define TM_NATIVE(name, element) typedef element name __attribute__((vector_size(TM_VECTOR_BYTES)))
TM_NATIVE(f32, float);
TM_NATIVE(f64, double);
TM_NATIVE(i32, int);
TM_NATIVE(i64, long long);
TM_NATIVE(u32, std::uint32_t);
TM_NATIVE(u64, std::uint64_t);
#undef TM_NATIVE

#if defined(__clang__)
#if __has_builtin(__builtin_elementwise_fma) && __has_builtin(__builtin_elementwise_sqrt)
#define TM_FMA(t, a, b, c) __builtin_elementwise_fma(a, b, c)
#define TM_SQRT(t, a) __builtin_elementwise_sqrt(a)
#define TM_FLOOR(t, a) __builtin_elementwise_floor(a)
#define TM_TRUNC(t, a) __builtin_elementwise_trunc(a)
#endif
#elif TM_VECTOR_BYTES == 64 && defined(__AVX512F__)
#define TM_FMA(t, a, b, c) __builtin_ia32_vfmadd##t##512_mask(a, b, c, -1, 4)
#define TM_SQRT(t, a) __builtin_ia32_sqrt##t##512_mask(a, a, -1, 4)
#define TM_FLOOR(t, a) __builtin_ia32_rndscale##t##_mask(a, 9, a, -1, 4)
#define TM_TRUNC(t, a) __builtin_ia32_rndscale##t##_mask(a, 11, a, -1, 4)
#define TM_MIN(t, a, b) __builtin_ia32_min##t##512_mask(a, b, a, -1, 4)
#define TM_MAX(t, a, b) __builtin_ia32_max##t##512_mask(a, b, a, -1, 4)
#define TM_PRODUCT(a, b) __builtin_ia32_pmuludq512_mask(a, b, i64{}, -1)
#elif TM_VECTOR_BYTES == 32 && defined(__AVX__)
#ifdef __FMA__
#define TM_FMA(t, a, b, c) __builtin_ia32_vfmadd##t##256(a, b, c)
#endif
#define TM_SQRT(t, a) __builtin_ia32_sqrt##t##256(a)
#define TM_FLOOR(t, a) __builtin_ia32_round##t##256(a, 9)
#define TM_TRUNC(t, a) __builtin_ia32_round##t##256(a, 11)
#define TM_MIN(t, a, b) __builtin_ia32_min##t##256(a, b)
#define TM_MAX(t, a, b) __builtin_ia32_max##t##256(a, b)
#ifdef __AVX2__
#define TM_PRODUCT(a, b) __builtin_ia32_pmuludq256(a, b)
#endif
#elif TM_VECTOR_BYTES == 16 && defined(__SSE2__)
#ifdef __FMA__
#define TM_FMA(t, a, b, c) __builtin_ia32_vfmadd##t(a, b, c)
#endif
#define TM_SQRT(t, a) __builtin_ia32_sqrt##t(a)
#ifdef __SSE4_1__
#define TM_FLOOR(t, a) __builtin_ia32_round##t(a, 9)
#define TM_TRUNC(t, a) __builtin_ia32_round##t(a, 11)
#endif
#define TM_MIN(t, a, b) __builtin_ia32_min##t(a, b)
#define TM_MAX(t, a, b) __builtin_ia32_max##t(a, b)
#define TM_PRODUCT(a, b) __builtin_ia32_pmuludq128(a, b)
#endif
#if TM_VECTOR_BYTES == 64 && defined(__AVX512F__)
#define TM_SCALE(t, a, k) __builtin_ia32_scalef##t##512_mask(a, k, a, -1, 4)
#elif TM_VECTOR_BYTES == 32 && defined(__AVX512VL__)
#define TM_SCALE(t, a, k) __builtin_ia32_scalef##t##256_mask(a, k, a, -1)
#elif TM_VECTOR_BYTES == 16 && defined(__AVX512VL__)
#define TM_SCALE(t, a, k) __builtin_ia32_scalef##t##128_mask(a, k, a, -1)
#endif

// lane by lane what has no instruction, or none that we can name; compilers merge it where they know better
#define TM_LANES(call)                                                 \
    decltype(a) r;                                                     \
    for (int i = 0; i < int(sizeof a / sizeof a[0]); ++i) r[i] = call; \
    return r
#ifndef TM_FMA
TM_INLINE f32 native_fma(f32 a, f32 b, f32 c) { TM_LANES(__builtin_fmaf(a[i], b[i], c[i])); }
#if defined(__aarch64__) && TM_VECTOR_BYTES == 16  // GCC makes two scalar ones of two lanes
TM_INLINE f64 native_fma(f64 a, f64 b, f64 c) {
    asm("fmla %0.2d, %1.2d, %2.2d" : "+w"(c) : "w"(a), "w"(b));
    return c;
}
#else
TM_INLINE f64 native_fma(f64 a, f64 b, f64 c) { TM_LANES(__builtin_fma(a[i], b[i], c[i])); }
#endif
#else
TM_INLINE f32 native_fma(f32 a, f32 b, f32 c) { return TM_FMA(ps, a, b, c); }
TM_INLINE f64 native_fma(f64 a, f64 b, f64 c) { return TM_FMA(pd, a, b, c); }
#endif
#ifndef TM_SQRT
TM_INLINE f32 native_sqrt(f32 a) { TM_LANES(__builtin_sqrtf(a[i])); }
TM_INLINE f64 native_sqrt(f64 a) { TM_LANES(__builtin_sqrt(a[i])); }
#else
TM_INLINE f32 native_sqrt(f32 a) { return TM_SQRT(ps, a); }
TM_INLINE f64 native_sqrt(f64 a) { return TM_SQRT(pd, a); }
#endif
#ifndef TM_FLOOR
TM_INLINE f32 native_floor(f32 a) { TM_LANES(__builtin_floorf(a[i])); }
TM_INLINE f64 native_floor(f64 a) { TM_LANES(__builtin_floor(a[i])); }
TM_INLINE f32 native_trunc(f32 a) { TM_LANES(__builtin_truncf(a[i])); }
TM_INLINE f64 native_trunc(f64 a) { TM_LANES(__builtin_trunc(a[i])); }
#else
TM_INLINE f32 native_floor(f32 a) { return TM_FLOOR(ps, a); }
TM_INLINE f64 native_floor(f64 a) { return TM_FLOOR(pd, a); }
TM_INLINE f32 native_trunc(f32 a) { return TM_TRUNC(ps, a); }
TM_INLINE f64 native_trunc(f64 a) { return TM_TRUNC(pd, a); }
#endif
#undef TM_LANES
// a < b ? a : b and a > b ? a : b, so b where either is NaN
#ifndef TM_MIN
TM_INLINE f32 native_min(f32 a, f32 b) { return a < b ? a : b; }
TM_INLINE f64 native_min(f64 a, f64 b) { return a < b ? a : b; }
TM_INLINE f32 native_max(f32 a, f32 b) { return a > b ? a : b; }
TM_INLINE f64 native_max(f64 a, f64 b) { return a > b ? a : b; }
#else
TM_INLINE f32 native_min(f32 a, f32 b) { return TM_MIN(ps, a, b); }
TM_INLINE f64 native_min(f64 a, f64 b) { return TM_MIN(pd, a, b); }
TM_INLINE f32 native_max(f32 a, f32 b) { return TM_MAX(ps, a, b); }
TM_INLINE f64 native_max(f64 a, f64 b) { return TM_MAX(pd, a, b); }
#endif
// the products of the lower halves of 64-bit lanes
#ifdef TM_PRODUCT
TM_INLINE u64 native_product(u64 a, u64 b) { return u64(TM_PRODUCT(i32(a), i32(b))); }
#else
TM_INLINE u64 native_product(u64 a, u64 b) { return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu); }
#endif
// of two vectors of 64-bit lanes the lower or upper halves, those of the first in lanes 0, 2, … (little-endian)
#if TM_VECTOR_BYTES == 64 && defined(__AVX512F__) && !defined(__clang__)
TM_INLINE u32 native_lower(u64 a, u64 b) { return u32(__builtin_ia32_pshufd512_mask(i32(b), 0xA0, i32(a), 0xAAAA)); }
TM_INLINE u32 native_upper(u64 a, u64 b) { return u32(__builtin_ia32_pshufd512_mask(i32(a), 0xF5, i32(b), 0x5555)); }
#else
TM_INLINE u32 native_lower(u64 a, u64 b) { return u32((a & 0xFFFFFFFFu) | b << 32); }
TM_INLINE u32 native_upper(u64 a, u64 b) { return u32(a >> 32 | (b & 0xFFFFFFFF00000000u)); }
#endif

// the first lanes in memory, and those of another vector for the rest, in one instruction
#if TM_VECTOR_BYTES == 64 && defined(__AVX512F__) && !defined(__clang__)
#define TM_FIRST
TM_INLINE f32 native_first(const float *from, f32 others, int count) {
    return __builtin_ia32_loadups512_mask(from, others, static_cast<unsigned short>((1u << count) - 1));
}
TM_INLINE f64 native_first(const double *from, f64 others, int count) {
    return __builtin_ia32_loadupd512_mask(from, others, static_cast<unsigned char>((1u << count) - 1));
}
#endif

// the values of a window of two vectors that byte `byte` of each of `at` names, in one instruction
#if TM_VECTOR_BYTES == 64 && defined(__AVX512F__) && !defined(__clang__)
#define TM_PICKS
typedef short i16x16 __attribute__((vector_size(32), aligned(2), may_alias));
typedef short i16x8 __attribute__((vector_size(16), aligned(2), may_alias));
TM_INLINE f32 native_pick(f32 first, f32 second, const std::uint16_t *at, int byte) {
    // GCC takes four instructions to convert a vector
    const i32 places = __builtin_ia32_pmovzxwd512_mask(*reinterpret_cast<const i16x16 *>(at), i32{}, -1);
    return __builtin_shuffle(first, second, places >> 8 * byte);  // of which only the lowest bits count
}
TM_INLINE f64 native_pick(f64 first, f64 second, const std::uint16_t *at, int byte) {
    const i64 places = __builtin_ia32_pmovzxwq512_mask(*reinterpret_cast<const i16x8 *>(at), i64{}, -1);
    return __builtin_shuffle(first, second, places >> 8 * byte);
}
#endif

template <class T> struct Native;
template <> struct Native<float> { using V = f32; using I = i32; using U = u32; using Word = std::uint32_t; };
template <> struct Native<double> { using V = f64; using I = i64; using U = u64; using Word = std::uint64_t; };

// ----------------------------------------------------------------------------------------------------------- types

// a choice for each lane, all bits or none
template <class T> struct Mask {
    using I = typename Native<T>::I;
    I v;
    Mask() = default;
    TM_ALWAYS Mask(bool all) : v(I{} - all) {}
    TM_ALWAYS explicit Mask(I native) : v(native) {}
    TM_ALWAYS bool operator[](int i) const { return v[i] != 0; }
    friend TM_ALWAYS Mask operator&(Mask a, Mask b) { return Mask(a.v & b.v); }
    friend TM_ALWAYS Mask operator|(Mask a, Mask b) { return Mask(a.v | b.v); }
    friend TM_ALWAYS Mask operator^(Mask a, Mask b) { return Mask(a.v ^ b.v); }
    friend TM_ALWAYS Mask operator!(Mask a) { return Mask(~a.v); }
};

#define TM_OPERATOR(op) friend TM_ALWAYS Self operator op(Self a, Self b) { return Self(a.v op b.v); }
#define TM_COMPARISON(op) friend TM_ALWAYS Mask<T> operator op(Self a, Self b) { return Mask<T>(I(a.v op b.v)); }
#define TM_ASSIGNMENT(op) \
    TM_ALWAYS Self &operator op##=(Self b) { return v = v op b.v, *this; }

template <class T> struct Vec {
    using Self = Vec;
    using V = typename Native<T>::V;
    using I = typename Native<T>::I;
    typedef V Unaligned __attribute__((aligned(sizeof(T)), may_alias));
    static constexpr int lanes = sizeof(V) / sizeof(T);
    V v;
    Vec() = default;
    TM_ALWAYS Vec(T scalar) : v(scalar - V{}) {}  // and not V{} + scalar, which loses the sign of −0
    TM_ALWAYS explicit Vec(V native) : v(native) {}
    static TM_ALWAYS Vec load(const T *from) { return Vec(V(*reinterpret_cast<const Unaligned *>(from))); }
    TM_ALWAYS void store(T *to) const { *reinterpret_cast<Unaligned *>(to) = v; }
    TM_ALWAYS T operator[](int i) const { return v[i]; }
    TM_OPERATOR(+)
    TM_OPERATOR(-)
    TM_OPERATOR(*)
    TM_OPERATOR(/)
    TM_ASSIGNMENT(+)
    TM_ASSIGNMENT(-)
    TM_ASSIGNMENT(*)
    TM_ASSIGNMENT(/)
    TM_COMPARISON(<)
    TM_COMPARISON(<=)
    TM_COMPARISON(>)
    TM_COMPARISON(>=)
    TM_COMPARISON(==)
    TM_COMPARISON(!=)
    friend TM_ALWAYS Vec operator-(Vec a) { return Vec(-a.v); }
};

// What is used more than once stays in its register: GCC reads memory again for each use, which may be all that a loop does.
template <class T> TM_ALWAYS void read_once(Vec<T> &x) {
#if defined(__x86_64__)
    asm("" : "+v"(x.v));
#elif defined(__aarch64__)
    asm("" : "+w"(x.v));
#endif
}

// unsigned integers in lanes as wide as those of Vec<T>
template <class T> struct Bits {
    using Self = Bits;
    using V = typename Native<T>::U;
    using I = typename Native<T>::I;
    using Word = typename Native<T>::Word;
    static constexpr int lanes = sizeof(V) / sizeof(Word);
    V v;
    Bits() = default;
    TM_ALWAYS Bits(Word scalar) : v(V{} + scalar) {}
    TM_ALWAYS explicit Bits(V native) : v(native) {}
    // from `lanes` words of 32 bits, whatever the width of a lane
    static TM_ALWAYS Bits load(const std::uint32_t *from) {
        typedef std::uint32_t Words __attribute__((vector_size(4 * lanes), aligned(4), may_alias));
        return Bits(__builtin_convertvector(*reinterpret_cast<const Words *>(from), V));
    }
    TM_ALWAYS Word operator[](int i) const { return v[i]; }
    TM_OPERATOR(+)
    TM_OPERATOR(-)
    TM_OPERATOR(&)
    TM_OPERATOR(|)
    TM_OPERATOR(^)
    TM_COMPARISON(==)
    TM_COMPARISON(!=)
    friend TM_ALWAYS Bits operator<<(Bits a, int by) { return Bits(a.v << by); }
    friend TM_ALWAYS Bits operator>>(Bits a, int by) { return Bits(a.v >> by); }
};

#undef TM_OPERATOR
#undef TM_COMPARISON
#undef TM_ASSIGNMENT

// ---------------------------------------------------------------------------------------------------------- choices

// its argument takes no part in deduction, so that a scalar may stand for a vector
template <class T> struct Plain { using type = T; };
template <class T> using plain = typename Plain<T>::type;

template <class T> TM_INLINE Vec<T> select(Mask<T> m, plain<Vec<T>> a, plain<Vec<T>> b) {
    return Vec<T>(m.v ? a.v : b.v);
}
template <class A, class B> TM_INLINE auto select(bool c, A a, B b) -> decltype(false ? A() : B()) {
    return c ? a : b;
}

}  // namespace tm

#endif
