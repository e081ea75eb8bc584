// Products of what nodes send with what comes back, for the gradients of weights between all of them.
#ifndef TORCHMASS_OUTER_H
#define TORCHMASS_OUTER_H

#include "own.h"

// Rows of all nodes, one for each step.
struct Rows {
    const T *first;
    int64_t apart;

    Rows from(int64_t node) const { return {first + node, apart}; }
};

// Where sums of pairs are added up: those of the next row, and of the next column, lie so far from one.
struct Into {
    double *first;
    int64_t row, column;

    Into from(int64_t i, int64_t j) const { return {first + i * row + j * column, row, column}; }
    Into turned() const { return {first, column, row}; }
};

// into[i][j] += Σ_t back[t][i] sent[t][j]: I rows, and J vectors of j, at once
template <int I, int J> static void outer(Into into, Rows back, Rows sent, int64_t steps, int64_t live) {
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
    for (int i = 0; i < I; ++i) {
        for (int j = 0; j < J; ++j) sum[i][j].store(held + j * L);
        for (int64_t j = 0; j < live; ++j) *into.from(i, j).first += double(held[j]);
    }
}
template <int J> static void outer(Into into, Rows back, Rows sent, int64_t steps, int64_t live, int64_t rows) {
    if (rows >= 4) return outer<4, J>(into, back, sent, steps, live);
    for (int64_t k = 0; k < rows; ++k) outer<1, J>(into.from(k, 0), back.from(k), sent, steps, live);
}
static void outer(Into into, Rows back, Rows sent, int64_t steps, int64_t rows, int64_t columns) {
    for (int64_t j = 0; j < columns; j += 3 * L) {
        const int64_t live = Own::least(columns - j, 3 * L);  // no vector lies beyond the row
        const auto some = live <= L ? outer<1> : live <= 2 * L ? outer<2> : outer<3>;
        for (int64_t i = 0; i < rows; i += 4) some(into.from(i, j), back.from(i), sent.from(j), steps, live, rows - i);
    }
}
// rows of those who are owned; of the few columns that fill no vector, these are rows
static void outer(double *into, int64_t nodes, Rows back, Rows sent, int64_t steps, const Own &own) {
    const int64_t rows = own.end - own.begin, columns = Own::least(in_vectors(nodes), nodes);
    const Into all = Into{into, nodes, 1}.from(own.begin, 0);
    outer(all, back.from(own.begin), sent, steps, rows, columns);
    outer(all.from(0, columns).turned(), sent.from(columns), back.from(own.begin), steps, nodes - columns, rows);
}

#endif
