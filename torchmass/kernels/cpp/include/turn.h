// Matrices in registers, turned: what was rows becomes columns.
#ifndef TORCHMASS_TURN_H
#define TORCHMASS_TURN_H

#include "run.h"

// The lanes of two vectors in turn, a0 b0 a1 b1 …, of their lower halves and of their upper halves.
template <int... l> TM_ALWAYS V in_turn(V a, V b, int first, tm::Places<l...>) {
#if defined(__clang__) || __GNUC__ >= 12
    return first ? V(__builtin_shufflevector(a.v, b.v, (L / 2 + l / 2 + l % 2 * L)...))
                 : V(__builtin_shufflevector(a.v, b.v, (l / 2 + l % 2 * L)...));
#else
    V r;
    ((r.v[l] = (l % 2 ? b : a)[first + l / 2]), ...);
    return r;
#endif
}

constexpr int log2(int count) { return count > 1 ? 1 + log2(count / 2) : 0; }

// A matrix of `rows` rows, and as many numbers as `count` vectors hold, that lie row after row: afterwards its columns do.
// Each pass takes the numbers of the first half and of the second in turn.
template <int rows, int count> TM_ALWAYS void turn(V (&v)[count]) {
    constexpr int passes = count > 1 ? log2(rows) : 0;
#pragma GCC unroll 8
    for (int pass = 0; pass < passes; ++pass) {
        V next[count];
#pragma GCC unroll 16
        for (int k = 0; k < count; ++k)
            next[k] = in_turn(v[k / 2], v[(k + count) / 2], k % 2 * (L / 2), tm::places<L>());
#pragma GCC unroll 16
        for (int k = 0; k < count; ++k) v[k] = next[k];
    }
}

// The sums over the lanes of `count` vectors: that of vector k in lane k, or where they are fewer than lanes spread over lanes
// k, k + count, …. Each pass adds up the halves of all, those of two in turn.
template <int count> TM_ALWAYS V added_up(V (&v)[count]) {
#pragma GCC unroll 4
    for (int left = count / 2; left; left /= 2)
#pragma GCC unroll 8
        for (int k = 0; k < left; ++k)
            v[k] = in_turn(v[k], v[k + left], 0, tm::places<L>()) + in_turn(v[k], v[k + left], L / 2, tm::places<L>());
    return v[0];
}

#endif
