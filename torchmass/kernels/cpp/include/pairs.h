// The pairs of nodes that a link has weights and delays of: those of a list, sorted by who receives, or all.
#ifndef TORCHMASS_PAIRS_H
#define TORCHMASS_PAIRS_H

#include "own.h"

// Numbers of how many there are of each kind, the last 0, to where each kind begins; or, once each has moved on to its
// end, back to where it begins.
TM_ONCE static int64_t add_up(int64_t *bound, int64_t kinds, bool moved) {
    int64_t sum = 0;
    for (int64_t k = 0; k <= kinds; ++k) {
        const int64_t held = bound[k];
        bound[k] = sum;
        sum = moved ? held : sum + held;
    }
    return sum;
}

struct Pairs {
    int64_t nodes = 0, count = 0, *first = nullptr;  // of each who receives; and the end
    const int32_t *source = nullptr;                 // who sends; null: all pairs

    TM_ONCE void open(int64_t all, int64_t of_them, const int32_t *ends) {
        nodes = all, count = of_them, source = ends ? ends + count : nullptr;
        first = new int64_t[nodes + 1];
        int64_t k = 0;
        for (int64_t to = 0; to <= nodes; ++to) {
            if (!ends) k = Own::least(to * nodes, count);  // an empty list has no address
            while (ends && k < count && ends[k] < to) ++k;
            first[to] = k;
        }
    }
    int64_t from(int64_t to, int64_t pair) const { return source ? source[pair] : pair - first[to]; }
    TM_ONCE ~Pairs() { delete[] first; }
};

#endif
