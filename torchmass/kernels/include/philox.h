// Random draws as pure functions of (seed, step, simulation, node, source): Philox 4×32-10 (Salmon et al. 2011,
// doi:10.1145/2063384.2063405) and Box–Muller. The same words as kernels/philox.py bit for bit, the same normals as
// kernels/draws.py to rounding, in float as in double. Everything is lane by lane: loop over nodes with omp simd.
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

// log of the uniform of `word`, to rounding in float too: near 1 from the distance to 1, which the word's complement is
template <class T> TM_INLINE T log_uniform(std::uint32_t word) {
    const Split<T> p = split((T(word) + T(0.5)) * T(0x1p-32));
    const T below = (T(~word) + T(0.5)) * T(-0x1p-32);
    return log_sum(p.k == 0 ? below : p.m - T(1), p.k);
}

// sine and cosine of 2π times the uniform of `word`; the integer is reduced, so nothing is lost
template <class T> TM_INLINE SinCos<T> sincos_uniform(std::uint32_t word) {
    const std::uint32_t quarter = (word + 0x20000000u) >> 30;
    const T r = (T(std::int32_t(word - (quarter << 30))) + T(0.5)) * T(0x1.921fb54442d18p-30);
    return turn(sincos_small(r), bits_of<T>(quarter));
}

// a pair of normals from a pair of words
template <class T> TM_INLINE void normal_pair(std::uint32_t radial, std::uint32_t angular, T &first, T &second) {
    const T radius = sqrt(T(-2) * log_uniform<T>(radial));
    const SinCos<T> a = sincos_uniform<T>(angular);
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

}  // namespace tm

#endif
