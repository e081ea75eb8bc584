/* What the loops by hand share: vectors, the logistic function, and groups of blocks split over threads.
 *
 * Nodes come in vectors of LANES ("blocks"). A group of a few blocks runs through all of time before the next one
 * begins: its states stay in registers, and its blocks, which are independent, overlap in the processor. Constants, dt
 * among them, are multiplied out before the loop. Rows of `out` are [step][node], padded to whole blocks.
 */
#ifdef __AVX512VL__
#include <immintrin.h>
#endif

typedef float v __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int vi __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define EACH _Pragma("GCC unroll 8") for (int g = 0; g < n; g++) /* block of a group of n */
#define ALL(x) ((v){} + (x))                                      /* the same in every lane */

/* e * 2^k for whole k, where 2^k overflows or vanishes too */
INLINE v scaled(v e, v k) {
#if defined __AVX512VL__ && LANES == 16
    return (v)_mm512_scalef_ps((__m512)e, (__m512)k);
#elif defined __AVX512VL__ && LANES == 8
    return (v)_mm256_scalef_ps((__m256)e, (__m256)k);
#else
    const vi low = k < -126.f, high = k > 126.f; /* beyond, a sigmoid is 0 or 1 to 2^-126 */
    k = (v)(((vi)k & ~(low | high)) | ((vi)ALL(-126.f) & low) | ((vi)ALL(126.f) & high));
    return (v)((vi)e + (__builtin_convertvector(k, vi) << 23));
#endif
}

/* 1 / (1 + 2^y) for |y| < 2^22, to 4 units in the last place */
INLINE v logistic(v y) {
    const v k = (y + 12582912.f) - 12582912.f, f = y - k; /* nearest whole number, by rounding at 1.5 * 2^23 */
    v e = f * 1.32647266e-3f + 9.67151296e-3f;            /* 2^f, off by 9.2e-8 of itself at most */
    e = ((e * f + 5.55073375e-2f) * f + 2.40222421e-1f) * f + 6.93146978e-1f;
    return 1.f / (1.f + scaled(e * f + 1.f, k));
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
        }                                                                                       \
    }
