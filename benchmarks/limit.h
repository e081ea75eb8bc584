/* What the loops by hand share: vectors, the logistic function, and groups of blocks split over threads.
 *
 * Nodes come in vectors of LANES ("blocks"), as wide as the compiler's target has them. A group of a few blocks runs
 * through all of time before the next one begins. In a step its blocks come one after the other, each from its states
 * to its new ones: that takes few registers, and the processor overlaps the blocks, which are independent. Constants,
 * dt among them, are multiplied out before the loop. Rows of `out` are [step][node], padded to whole blocks; arrays
 * begin at multiples of a vector's size.
 */
#if defined __AVX512VL__ || defined __AVX2__
#include <immintrin.h>
#endif

#if defined __AVX512F__ && !defined NARROW /* narrow: half as wide, for few nodes */
#define LANES 16
#elif defined __AVX__
#define LANES 8
#else
#define LANES 4
#endif

typedef float v __attribute__((vector_size(4 * LANES), may_alias));
typedef int vi __attribute__((vector_size(4 * LANES), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define EACH _Pragma("GCC unroll 8") for (int g = 0; g < n; g++) /* block of a group of n */
#define ALL(x) ((v){} + (x))                                      /* the same in every lane */

#define WHOLE 12582912.f /* 1.5 * 2^23: what is added to it is rounded to a whole number, in the lowest bits */

/* t - WHOLE, as an integer, between -118 and 118, where neither 2^9 * 2^k nor its inverse overflows */
INLINE vi exponent(v t) {
    const vi low = (vi)ALL(WHOLE - 118.f), high = (vi)ALL(WHOLE + 118.f), k = (vi)t;
#if defined __AVX2__ && LANES == 8
    return (vi)_mm256_max_epi32((__m256i)low, _mm256_min_epi32((__m256i)k, (__m256i)high));
#else
    const vi below = k < low, above = k > high;
    return (k & ~(below | above)) | (low & below) | (high & above);
#endif
}

/* e * 2^k, where k = t - WHOLE; a sigmoid is 0 or 1 to 2^-118 where the exponent is cut */
INLINE v scaled(v e, v t, v k) {
#if defined __AVX512VL__ && LANES == 16
    return (v)_mm512_scalef_ps((__m512)e, (__m512)k);
#elif defined __AVX512VL__ && LANES == 8
    return (v)_mm256_scalef_ps((__m256)e, (__m256)k);
#else
    return (v)((vi)e + (exponent(t) << 23));
#endif
}

/* 1 / (1 + 2^y) for |y| < 2^22, to 4 units in the last place: 2^y is 2^k (even + odd) / (even - odd), with even and odd
 * polynomials in y - k, off by 1e-10 of itself; so the one division there is serves both */
INLINE v logistic(v y) {
    const v t = y + WHOLE, k = t - WHOLE, f = y - k, f2 = f * f;
    const v odd = f * (f2 + 125.069863f), even = f2 * 17.3340057f + 360.875343f, below = even - odd;
    return below / (below + scaled(even + odd, t, k));
}

/* Writes into a row of `out` and asks for the place eight rows on. Rows can be pages apart: the processor, which looks
 * ahead within pages only, would wait for memory in every step. */
INLINE void put(float *at, long width, v x) {
    __builtin_prefetch(at + 8 * width, 1);
    *(v *)at = x;
}

/* run(n) for every group, n its size as a constant, b its first block; no group has more than `most` blocks */
#define SPLIT(most, run)                                                                        \
    const long width = blocks * LANES, least = (blocks + most - 1) / most;                      \
    const long groups = (least + threads - 1) / threads * threads;                              \
    _Pragma("omp parallel for num_threads(threads) schedule(static) if (threads > 1)")          \
    for (long j = 0; j < groups; j++) {                                                         \
        const long b = blocks * j / groups;                                                     \
        switch (blocks * (j + 1) / groups - b) {                                                \
            case 1: run(1); break;                                                              \
            case 2: run(2); break;                                                              \
            case 3: run(3); break;                                                              \
            case 4: run(4); break;                                                              \
            case 5: run(5); break;                                                              \
            case 6: run(6); break;                                                              \
            case 7: run(7); break;                                                              \
            case 8: run(8); break;                                                              \
        }                                                                                       \
    }
