// Connections that are shorter than a stage of the step needs, and read between now and the stage.
#ifndef TORCHMASS_SHORTS_H
#define TORCHMASS_SHORTS_H

#include "pairs.h"

// Where a connection shorter than what a stage needs reads at a fraction of a step: a part of the way from now to the
// stage (`back` is −1), or from `back` steps ago to one step before that.
struct Reading {
    T part;
    int32_t back;
};
struct Short {
    int32_t to, from;
    T weight;
    Reading at[3];  // a whole, a half and no part into the step
    int64_t pair;

    static int place(double c) { return c == 1 ? 0 : c == 0.5 ? 1 : 2; }
    TM_ONCE Short(int64_t to, int64_t from, T weight, T lag, int64_t pair)
        : to(int32_t(to)), from(int32_t(from)), weight(weight), pair(pair) {
        constexpr double parts[] = {1.0, 0.5, 0.0};
        for (const double c : parts) {
            const T age = lag - T(c), back = tm::floor(age);
            at[place(c)] = age < 0 ? Reading{-age / T(c), -1} : Reading{age - back, int32_t(back)};
        }
    }
    Short() = default;
};

// Connections shorter than what a stage needs, one by one, and those of nodes with themselves that take no time.
struct Shorts {
    Short *all = nullptr;
    int64_t *bound = nullptr;  // where those to each node begin, or on the way back those from it
    T *self = nullptr;         // weights of the latter, null where there are none
    int64_t *own = nullptr;    // which pair of each node that is; −1: none

    TM_ONCE void build(const Pairs &pairs, const T *weights, const T *lags, double least, bool zeros, bool moving,
                       bool back) {
        const int64_t nodes = pairs.nodes;
        bound = new int64_t[nodes + 1]();
        bool any = false;
        for (int64_t k = 0; k < pairs.count; ++k) any |= (lags[k] < T(least)) & (zeros | (weights[k] != 0));
        for (int fill = 0; fill < 2 && any; ++fill) {
            for (int64_t to = 0; to < nodes; ++to)
                for (int64_t k = pairs.first[to]; k < pairs.first[to + 1]; ++k) {
                    if (lags[k] >= T(least) || (weights[k] == 0 && !zeros)) continue;
                    const int64_t from = pairs.from(to, k);
                    if (to == from && lags[k] == 0 && (weights[k] == 0 || !moving)) {
                        if (!self) open(nodes);
                        self[to] = weights[k], own[to] = k;
                        continue;
                    }
                    int64_t &at = bound[back ? from : to];
                    if (fill) all[at] = Short(to, from, weights[k], lags[k], k);
                    ++at;
                }
            const int64_t count = add_up(bound, nodes, fill);
            if (!fill && count) all = new Short[count];
        }
        for (int64_t i = nodes; self && i < nodes + L; ++i) self[i] = self[nodes - 1];
    }
    bool any() const { return all; }  // beside those of nodes with themselves that take no time
    TM_ONCE void open(int64_t nodes) {
        self = new T[nodes + L](), own = new int64_t[nodes];
        for (int64_t i = 0; i < nodes; ++i) own[i] = -1;
    }
    TM_ONCE ~Shorts() {
        delete[] all;
        delete[] bound;
        delete[] self;
        delete[] own;
    }
};

#endif
