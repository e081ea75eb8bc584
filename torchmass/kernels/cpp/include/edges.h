// Connections whose delays are long enough for sums over the past alone, by the steps that can be computed at once.
#ifndef TORCHMASS_EDGES_H
#define TORCHMASS_EDGES_H

#include "own.h"

// One connection: what was sent some steps ago counts `near`, what was sent one step before that `far`. It lies `place`
// numbers from what the first node sends now.
struct Edge {
    int64_t place;
    T near, far;
};

// The edges of a link by the steps that can be computed at once: 8, 4, 2, 1 vectors, a half, a quarter, or one step; in
// each by target, those that read one sample first.
struct Edges {
    static constexpr int levels = 7, vectors = 4;  // all, and those of whole vectors
    static constexpr int half = L / 2, quarter = L / 4 ? L / 4 : 1;
    static constexpr int steps[levels] = {8 * L, 4 * L, 2 * L, L, half, quarter, 1};
    int64_t nodes = 0, *bound = nullptr;
    Edge *edge = nullptr;

    static int level(int64_t back) {
        int k = 0;
        while (back < steps[k]) ++k;
        return k;
    }
    // the fewest steps that are computed at once, at most a vector
    int64_t grain() const {
        int k = levels - 1;
        while (k >= vectors && !any(k)) --k;
        return steps[k < vectors ? vectors - 1 : k];
    }

    // from weights and lags, [to][from], those of at least `least` steps, read a fraction `c` of a step later; `length`
    // numbers of what was sent lie between two nodes
    TM_ONCE void build(int64_t count, int64_t length, const T *weights, const T *lags, double least, double c,
                       bool transposed) {
        nodes = count;
        const int64_t size = levels * nodes * 2;
        bound = new int64_t[size + 1]();
        for (int fill = 0; fill < 2; ++fill) {
            for (int64_t k = 0; k < count * count; ++k) {
                if (weights[k] == 0 || !(lags[k] >= T(least))) continue;
                const T lag = lags[k] - T(c), whole = tm::floor(lag), part = lag - whole;
                const int64_t to = transposed ? k % count : k / count, from = transposed ? k / count : k % count;
                int64_t &at = bound[(level(int64_t(whole)) * nodes + to) * 2 + (part != 0)];
                if (fill) edge[at] = {from * length - int64_t(whole), weights[k] * (1 - part), weights[k] * part};
                ++at;
            }
            int64_t sum = 0;
            for (int64_t k = 0; k <= size; ++k) {  // counts to beginnings; after they have moved to the ends, back again
                const int64_t held = bound[k];
                bound[k] = sum;
                sum = fill ? held : sum + held;
            }
            if (!fill) edge = new Edge[sum + 8]();
        }
    }
    bool any(int level) const { return bound[level * nodes * 2] != bound[(level + 1) * nodes * 2]; }
    Edge *begin(int level, int64_t to, int part) const { return edge + bound[(level * nodes + to) * 2 + part]; }
    TM_ONCE ~Edges() {
        delete[] bound;
        delete[] edge;
    }
};

#endif
