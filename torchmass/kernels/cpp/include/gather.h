// Sums over all nodes: products of a matrix with what nodes send, and of what they send with what comes back.
#ifndef TORCHMASS_GATHER_H
#define TORCHMASS_GATHER_H

#include "own.h"

// how many simulations go together at most: a vector of weights is then read once for all
constexpr int most_fellows() {
    for (int k = 0; k < Step::arrivals; ++k)
        if (Step::link[Step::arrival[k].link].form == tm::dense) return 4;
    return 1;
}

// A product with a matrix is summed in two halves, of rows 0 … n/2 − 1 and of the rest, each from 0 on. Which of them comes
// first takes turns: what was read last is still in the nearest cache, where a matrix of 80 nodes alone would fill it.
struct Half {
    int64_t from, to;
    bool last;  // its sums are added to those that are there

    static Half of(int64_t count, int64_t turn, bool last) {
        return (turn & 1) == last ? Half{0, count / 2, last} : Half{count / 2, count, last};
    }
};

// out[s][i] = Σ_j matrix[j][i] sent[s][j] for B vectors of i from `skip` on, and G simulations s, in registers
template <int G, int B>
static void product(const T *matrix, int64_t width, Half half, const T *const *sent, T *const *out, int64_t skip) {
    V sum[G][B];
    const T *from[G];
#pragma GCC unroll 4
    for (int s = 0; s < G; ++s) {
        from[s] = sent[s];
#pragma GCC unroll 12
        for (int k = 0; k < B; ++k) sum[s][k] = V(T(0));
    }
    matrix += half.from * width + skip;
    for (int64_t j = half.from; j < half.to; ++j, matrix += width)
#pragma GCC unroll 12
        for (int k = 0; k < B; ++k) {
            const V weights = V::load(matrix + k * L);
#pragma GCC unroll 4
            for (int s = 0; s < G; ++s) sum[s][k] = tm::fma(weights, V(from[s][j]), sum[s][k]);
        }
#pragma GCC unroll 4
    for (int s = 0; s < G; ++s)
#pragma GCC unroll 12
        for (int k = 0; k < B; ++k) {
            T *to = out[s] + skip + k * L;
            (half.last ? V::load(to) + sum[s][k] : sum[s][k]).store(to);
        }
}
template <int G, int B>
static void product(const T *matrix, int64_t width, Half half, const T *const *sent, T *const *out, int64_t from,
                    int64_t to) {
    for (; from < to; from += B) {
        const int64_t blocks = (to - from + B - 1) / B;
        if constexpr (B > 1)
            if ((to - from + blocks - 1) / blocks < B) return product<G, B - 1>(matrix, width, half, sent, out, from, to);
        product<G, B>(matrix, width, half, sent, out, from * L);
    }
}
// of as many simulations as `fellows`; `turn` is the step
static void product(const T *matrix, int64_t width, int64_t count, const T *const *sent, T *const *out, int fellows,
                    const Own &own, int64_t turn) {
    for (int k = 0; k < 2; ++k) {
        const Half half = Half::of(count, turn, k);
        if (most_fellows() > 1 && fellows == most_fellows())
            product<most_fellows(), 6>(matrix, width, half, sent, out, own.from, own.to);
        else
            for (int s = 0; s < fellows; ++s) product<1, 12>(matrix, width, half, sent + s, out + s, own.from, own.to);
    }
}

// Rows of all nodes, one for each step.
struct Rows {
    const T *first;
    int64_t apart;

    Rows from(int64_t node) const { return {first + node, apart}; }
};

// into[i][j] += Σ_t back[t][i] sent[t][j] for i < count: I of them, and J vectors of j, at once
template <int I, int J> static void outer(double *into, int64_t count, Rows back, Rows sent, int64_t steps, int64_t live) {
    V sum[I][J];
#pragma GCC unroll 4
    for (int i = 0; i < I; ++i)
#pragma GCC unroll 3
        for (int j = 0; j < J; ++j) sum[i][j] = V(T(0));
    for (int64_t t = 0; t < steps; ++t, back.first += back.apart, sent.first += sent.apart) {
        V columns[J];
#pragma GCC unroll 3
        for (int j = 0; j < J; ++j) columns[j] = V::load(sent.first + j * L);
#pragma GCC unroll 4
        for (int i = 0; i < I; ++i)
#pragma GCC unroll 3
            for (int j = 0; j < J; ++j) sum[i][j] = tm::fma(V(back.first[i]), columns[j], sum[i][j]);
    }
    T held[J * L];
    for (int i = 0; i < I; ++i, into += count) {
        for (int j = 0; j < J; ++j) sum[i][j].store(held + j * L);
        for (int64_t j = 0; j < live; ++j) into[j] += double(held[j]);
    }
}
template <int J>
static void outer(double *into, int64_t count, Rows back, Rows sent, int64_t steps, int64_t live, int64_t rows) {
    if (rows >= 4) return outer<4, J>(into, count, back, sent, steps, live);
    for (int64_t k = 0; k < rows; ++k) outer<1, J>(into + k * count, count, back.from(k), sent, steps, live);
}
static void outer(double *into, int64_t count, Rows back, Rows sent, int64_t steps, const Own &own) {
    for (int64_t j = 0; j < count; j += 3 * L) {
        const int64_t live = count - j < 3 * L ? count - j : 3 * L;  // no vector lies beyond the row
        const auto some = live <= L ? outer<1> : live <= 2 * L ? outer<2> : outer<3>;
        for (int64_t i = own.begin; i < own.end; i += 4)
            some(into + i * count + j, count, back.from(i), sent.from(j), steps, live, own.end - i);
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
