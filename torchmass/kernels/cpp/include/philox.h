// Random draws as pure functions of (seed, step, simulation, node, source): Philox 4×32-10 (Salmon et al. 2011,
// doi:10.1145/2063384.2063405) and Box–Muller. The same words as kernels/philox.py bit for bit, the same normals as
// kernels/draws.py to rounding, in float as in double; for numbers and for vectors of them.
#ifndef TORCHMASS_PHILOX_H
#define TORCHMASS_PHILOX_H

#include "math.h"

namespace tm {

struct Words { std::uint32_t w0, w1, w2, w3; };

// The word of a lane: 64 bits where a 64-bit product is one instruction, so that both of its halves are at hand; only
// the lower 32 count, and what lies above is dropped by the next product.
#ifdef __AVX512DQ__
using Lane = std::uint64_t;
#else
using Lane = std::uint32_t;
#endif

// counter (n0, n1, n2, n3), key (key0, key1)
TM_INLINE Words philox(std::uint32_t n0, std::uint32_t n1, std::uint32_t n2, std::uint32_t n3, std::uint32_t key0,
                       std::uint32_t key1) {
    Lane c0 = n0, c1 = n1, c2 = n2, c3 = n3;
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t p0 = std::uint64_t(c0 & 0xFFFFFFFFu) * 0xD2511F53u;
        const std::uint64_t p1 = std::uint64_t(c2 & 0xFFFFFFFFu) * 0xCD9E8D57u;
        c0 = Lane(p1 >> 32) ^ c1 ^ key0;
        c1 = Lane(p1);
        c2 = Lane(p0 >> 32) ^ c3 ^ key1;
        c3 = Lane(p0);
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return {std::uint32_t(c0), std::uint32_t(c1), std::uint32_t(c2), std::uint32_t(c3)};
}

// the middle of cell `word` of 2³² equal cells of (0, 1); only double can hold it
TM_INLINE double uniform(std::uint32_t word) { return (double(word) + 0.5) * 0x1p-32; }

// log of the uniform of `word`, to rounding in float too: near 1 from the distance to 1, which the word with a sign is
template <class X> TM_INLINE X log_uniform(word_of<X> word) {
    X u, below;
    number(word, u);
    const Split<X> p = split(u + X(0.5), 32);
    if constexpr (!is_float<X>) return log_sum(p.m - X(1), p.k);  // where the difference is exact
    signed_number(word, below);
    return log_sum(select(p.k == 0, fma(below, X(0x1p-32), X(0x1p-33)), p.m - X(1)), p.k);
}

// sine and cosine of 2π times the uniform of `word`; the integer is reduced, so nothing is lost
template <class X> TM_INLINE SinCos<X> sincos_uniform(word_of<X> word) {
    constexpr int up = Format<X>::bits - 32;
    const word_of<X> turned = word + 0x20000000u, next = turned + 0x40000000u;  // bits 31 and 30 are the quarter
    X r;
    signed_number((turned & 0x3FFFFFFFu) - 0x20000000u, r);
    const SinCos<X> a = sincos_small(fma(r, X(0x1.921fb54442d18p-30), X(0x1.921fb54442d18p-31)));
    const mask_of<X> odd = (turned & 0x40000000u) != 0;
    return {real(bits(select(odd, a.c, a.s)) ^ (bits_of<X>(turned) << up & sign_bit<X>)),
            real(bits(select(odd, a.s, a.c)) ^ (bits_of<X>(next) << up & sign_bit<X>))};
}

// a pair of normals from a pair of words
template <class X> TM_INLINE void normal_pair(word_of<X> radial, word_of<X> angular, X &first, X &second) {
    const X radius = sqrt(X(-2) * log_uniform<X>(radial));
    const SinCos<X> a = sincos_uniform<X>(angular);
    first = radius * a.c;
    second = radius * a.s;
}

// the normals of the four steps 4 block … 4 block + 3
template <class T>
TM_INLINE void normals4(T &z0, T &z1, T &z2, T &z3, std::uint32_t node, std::uint32_t simulation, std::uint32_t block,
                        std::uint32_t source, std::uint32_t key0, std::uint32_t key1) {
    const Words w = philox(node, simulation, block, source, key0, key1);
    normal_pair(w.w0, w.w1, z0, z1);
    normal_pair(w.w2, w.w3, z2, z3);
}

// The same for nodes first … first + count − 1, into rows z0 … z3.
template <class T>
static inline void normals4(T *__restrict z0, T *__restrict z1, T *__restrict z2, T *__restrict z3, std::uint32_t first,
                            int count, std::uint32_t simulation, std::uint32_t block, std::uint32_t source,
                            std::uint32_t key0, std::uint32_t key1) {
#pragma omp simd
    for (int i = 0; i < count; ++i)
        normals4(z0[i], z1[i], z2[i], z3[i], first + std::uint32_t(i), simulation, block, source, key0, key1);
}

// The words of a vector of counters; of 64-bit lanes the lower halves count, and the upper ones hold what is left over.
template <class T> struct WordVectors { Bits<T> w0, w1, w2, w3; };

// the state of Philox in 64-bit lanes, where a product has both of its halves at hand
struct Philox {
    u64 c0, c1, c2, c3;
    TM_ALWAYS u64 product0() const { return native_product(c0, u64{} + 0xD2511F53u); }
    TM_ALWAYS u64 product1() const { return native_product(c2, u64{} + 0xCD9E8D57u); }
    TM_ALWAYS void round(std::uint32_t key0, std::uint32_t key1) {
        const u64 p0 = product0(), p1 = product1();
        c0 = (p1 >> 32) ^ c1 ^ key0;
        c1 = p1;
        c2 = (p0 >> 32) ^ c3 ^ key1;
        c3 = p0;
    }
};

TM_INLINE WordVectors<double> philox(Bits<double> n0, Bits<double> n1, std::uint32_t n2, std::uint32_t n3,
                                     std::uint32_t key0, std::uint32_t key1) {
    Philox p{n0.v, n1.v, u64{} + n2, u64{} + n3};
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) p.round(key0, key1);
    return {Bits<double>(p.c0), Bits<double>(p.c1), Bits<double>(p.c2), Bits<double>(p.c3)};
}

// lanes 0, 2, … and lanes 1, 3, … apart, and together again in the last round
TM_INLINE WordVectors<float> philox(Bits<float> n0, Bits<float> n1, std::uint32_t n2, std::uint32_t n3,
                                    std::uint32_t key0, std::uint32_t key1) {
    const u64 w0 = u64(n0.v), w1 = u64(n1.v);
    Philox even{w0, w1, u64{} + n2, u64{} + n3}, odd{w0 >> 32, w1 >> 32, u64{} + n2, u64{} + n3};
#pragma GCC unroll 9
    for (int round = 0; round < 9; ++round, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
        even.round(key0, key1);
        odd.round(key0, key1);
    }
    const u64 even0 = even.product0(), even1 = even.product1(), odd0 = odd.product0(), odd1 = odd.product1();
    return {Bits<float>(native_upper(even1, odd1) ^ native_lower(even.c1, odd.c1) ^ key0),
            Bits<float>(native_lower(even1, odd1)),
            Bits<float>(native_upper(even0, odd0) ^ native_lower(even.c3, odd.c3) ^ key1),
            Bits<float>(native_lower(even0, odd0))};
}

// the normals of the four steps 4 block … 4 block + 3, for a vector of nodes and one of simulations
template <class T>
TM_INLINE void normals4(Vec<T> &z0, Vec<T> &z1, Vec<T> &z2, Vec<T> &z3, Bits<T> node, Bits<T> simulation,
                        std::uint32_t block, std::uint32_t source, std::uint32_t key0, std::uint32_t key1) {
    const WordVectors<T> w = philox(node, simulation, block, source, key0, key1);
    normal_pair(w.w0, w.w1, z0, z1);
    normal_pair(w.w2, w.w3, z2, z3);
}

}  // namespace tm

#endif
