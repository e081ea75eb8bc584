// Sums over all nodes: products of a matrix with what nodes send.
#ifndef TORCHMASS_MATRIX_H
#define TORCHMASS_MATRIX_H

#include "own.h"
#include "turn.h"

// how many simulations go together at most: a vector of weights is then read once for all
constexpr int most_fellows() {
    for (int k = 0; k < Step::arrivals; ++k)
        if (Step::link[Step::arrival[k].link].form == tm::dense) return 4;
    return 1;
}

// out[s][i] = Σ_j matrix[j][i] sent[s][j] for B vectors of i from `skip` on, and G simulations s, in registers; `down` from
// the last j to the first
template <int G, int B>
static void product(const T *matrix, int64_t width, int64_t count, bool down, const T *const *sent, T *const *out,
                    int64_t skip) {
    V sum[G][B];
    const T *from[G];
    const int64_t first = down ? count - 1 : 0, next = down ? -1 : 1;
#pragma GCC unroll 4
    for (int s = 0; s < G; ++s) {
        from[s] = sent[s] + first;
#pragma GCC unroll 12
        for (int k = 0; k < B; ++k) sum[s][k] = V(T(0));
    }
    matrix += first * width + skip;
    for (int64_t j = 0; j < count; ++j, matrix += next * width) {
#pragma GCC unroll 12
        for (int k = 0; k < B; ++k) {
            const V weights = V::load(matrix + k * L);
#pragma GCC unroll 4
            for (int s = 0; s < G; ++s) sum[s][k] = tm::fma(weights, V(*from[s]), sum[s][k]);
        }
#pragma GCC unroll 4
        for (int s = 0; s < G; ++s) from[s] += next;
    }
#pragma GCC unroll 4
    for (int s = 0; s < G; ++s)
#pragma GCC unroll 12
        for (int k = 0; k < B; ++k) sum[s][k].store(out[s] + skip + k * L);
}
template <int G, int B>
static void product(const T *matrix, int64_t width, int64_t count, bool down, const T *const *sent, T *const *out,
                    int64_t from, int64_t to) {
    const int64_t vectors = to - from, blocks = (vectors + B - 1) / B, large = vectors - blocks * (B - 1);
    if (!blocks) return;
    if constexpr (B > 1)
        if ((vectors + blocks - 1) / blocks < B)
            return product<G, B - 1>(matrix, width, count, down, sent, out, from, to);
    for (int64_t i = 0; i < blocks; ++i) {
        const int64_t k = down ? blocks - 1 - i : i, at = (from + k * (B - 1) + Own::least(k, large)) * L;
        if (k < large) product<G, B>(matrix, width, count, down, sent, out, at);
        else product<G, (B > 1 ? B - 1 : 1)>(matrix, width, count, down, sent, out, at);
    }
}

// The weights of all pairs for sums over all nodes: [other][node] for vectors of nodes. Those few that fill no vector have a row
// each instead, of which the products with what others send are added up, and one with what each of them sends: it takes less
// time, and less of the nearest cache.
struct Matrix {
    int64_t nodes = 0, width = 0;  // and those in vectors
    T *whole = nullptr, *row = nullptr, *corner = nullptr;

    // from weights [row][column]: sums over columns, or over rows
    TM_ONCE void build(const T *weights, int64_t count, bool over_rows) {
        nodes = count, width = in_vectors(count);
        whole = new (line_start) T[nodes * width + 1];
        const auto weight = [&](int64_t i, int64_t j) {
            i = Own::least(i, nodes - 1);
            return over_rows ? weights[j * nodes + i] : weights[i * nodes + j];
        };
        for (int64_t j = 0; j < nodes; ++j)
            for (int64_t i = 0; i < width; ++i) whole[j * width + i] = weight(i, j);
        if (nodes <= width) return;
        row = new (line_start) T[few * width + 1], corner = new T[few * few];
        for (int64_t i = 0; i < few; ++i) {
            for (int64_t j = 0; j < width; ++j) row[i * width + j] = weight(width + i, j);
            for (int64_t j = width; j < nodes; ++j) corner[(j - width) * few + i] = weight(width + i, j);
        }
    }
    // Of as many simulations as `fellows`. It goes through the matrix from the end if the last one did from its start, since
    // what was read last is still in the nearest cache, which a matrix of 80 nodes alone would fill.
    void product(const T *const *sent, T *const *out, int fellows, const Own &own, bool down) const {
        const int64_t to = Own::least(own.to, width / L);
        if (most_fellows() > 1 && fellows == most_fellows())
            ::product<most_fellows(), 6>(whole, width, nodes, down, sent, out, own.from, to);
        else
            for (int s = 0; s < fellows; ++s) ::product<1, 12>(whole, width, nodes, down, sent + s, out + s, own.from, to);
        for (int s = 0; s < fellows && own.to > to; ++s) rest(sent[s], out[s] + width);
    }
    // those that fill no vector, and the last one repeated
    void rest(const T *sent, T *out) const {
        V sum[few];
#pragma GCC unroll 4
        for (int i = 0; i < few; ++i) sum[i] = V(T(0));
        for (int64_t j = 0; j < width; j += L)
#pragma GCC unroll 4
            for (int i = 0; i < few; ++i) sum[i] = tm::fma(V::load(row + i * width + j), V::load(sent + j), sum[i]);
        T part[L];
        added_up(sum).store(part);
        for (int i = few; i < L; ++i) part[i % few] += part[i];
        for (int64_t j = width; j < nodes; ++j)
            for (int i = 0; i < few; ++i) part[i] += corner[(j - width) * few + i] * sent[j];
        V(part[few - 1]).store(out);
        for (int i = 0; i < few; ++i) out[i] = part[i];
    }
    TM_ONCE ~Matrix() {
        ::operator delete[](whole, line_start);
        ::operator delete[](row, line_start);
        delete[] corner;
    }
};

#endif
