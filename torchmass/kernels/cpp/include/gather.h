// Sums over all nodes: products of a matrix with what nodes send, and of what they send with what comes back.
#ifndef TORCHMASS_GATHER_H
#define TORCHMASS_GATHER_H

#include "own.h"

// out[i] = Σ_j matrix[j][i] sent[j] for `vectors` vectors of i, a few of them at once in registers
template <int B> static void product(const T *matrix, int64_t width, int64_t count, const T *sent, T *out) {
    V sum[B];
#pragma GCC unroll 12
    for (int k = 0; k < B; ++k) sum[k] = V(T(0));
    for (int64_t j = 0; j < count; ++j, matrix += width) {
        const V one(sent[j]);
#pragma GCC unroll 12
        for (int k = 0; k < B; ++k) sum[k] = tm::fma(V::load(matrix + k * L), one, sum[k]);
    }
#pragma GCC unroll 12
    for (int k = 0; k < B; ++k) sum[k].store(out + k * L);
}
template <int B = 12>
static void product(const T *matrix, int64_t width, int64_t count, const T *sent, T *out, int64_t vectors) {
    for (int64_t left = vectors; left > 0; left -= B, matrix += B * L, out += B * L) {
        const int64_t blocks = (left + B - 1) / B;
        if constexpr (B > 1)
            if ((left + blocks - 1) / blocks < B)
                return product<B - 1>(matrix, width, count, sent, out, left);
        product<B>(matrix, width, count, sent, out);
    }
}
static void product(const T *matrix, int64_t width, int64_t count, const T *sent, T *out, const Own &own) {
    product(matrix + own.from * L, width, count, sent, out + own.from * L, own.to - own.from);
}

// into[i][j] += Σ_t back[t][i] sent[t][j] for i < count: I of them, and J vectors of j, at once
template <int I, int J>
static void outer(double *into, int64_t count, const T *back, const T *sent, int64_t width, int64_t steps, int64_t live) {
    V sum[I][J];
#pragma GCC unroll 4
    for (int i = 0; i < I; ++i)
#pragma GCC unroll 3
        for (int j = 0; j < J; ++j) sum[i][j] = V(T(0));
    for (int64_t t = 0; t < steps; ++t, back += width, sent += width) {
        V columns[J];
#pragma GCC unroll 3
        for (int j = 0; j < J; ++j) columns[j] = V::load(sent + j * L);
#pragma GCC unroll 4
        for (int i = 0; i < I; ++i)
#pragma GCC unroll 3
            for (int j = 0; j < J; ++j) sum[i][j] = tm::fma(V(back[i]), columns[j], sum[i][j]);
    }
    T held[J * L];
    for (int i = 0; i < I; ++i, into += count) {
        for (int j = 0; j < J; ++j) sum[i][j].store(held + j * L);
        for (int64_t j = 0; j < live; ++j) into[j] += double(held[j]);
    }
}
template <int J>
static void outer(double *into, int64_t count, const T *back, const T *sent, int64_t width, int64_t steps, int64_t live,
                  int64_t rows) {
    if (rows >= 4) return outer<4, J>(into, count, back, sent, width, steps, live);
    for (int64_t k = 0; k < rows; ++k) outer<1, J>(into + k * count, count, back + k, sent, width, steps, live);
}
static void outer(double *into, int64_t count, const T *back, const T *sent, int64_t width, int64_t steps,
                  const Own &own) {
    for (int64_t j = 0; j < count; j += 3 * L) {
        const int64_t live = count - j < 3 * L ? count - j : 3 * L;  // no vector lies beyond the row
        const auto some = live <= L ? outer<1> : live <= 2 * L ? outer<2> : outer<3>;
        for (int64_t i = own.begin; i < own.end; i += 4)
            some(into + i * count + j, count, back + i, sent + j, width, steps, live, own.end - i);
    }
}

// A matrix [row][column] for `product`: its rows or its columns side by side, the last one repeated to a whole vector.
TM_ONCE static void spread_out(T *to, int64_t width, const T *matrix, int64_t count, bool transposed) {
    for (int64_t j = 0; j < count; ++j)
        for (int64_t i = 0; i < width; ++i) {
            const int64_t k = i < count ? i : count - 1;
            to[j * width + i] = transposed ? matrix[k * count + j] : matrix[j * count + k];
        }
}

#endif
