// The connections of a link in the order in which the gradients of their weights and delays are summed.
#ifndef TORCHMASS_TERMS_H
#define TORCHMASS_TERMS_H

#include "pairs.h"

// A connection that reads `ago` steps ago, and `part` of the way to one step before that.
struct Term {
    int32_t to, from, ago;
    T part, weight;
    int64_t pair;
};

// They are summed for some who receive, whose rows fit the nearest cache, a few who send after the others; and for all of
// these groups, before the next block of those who send, whose past fits the second cache.
struct Terms {
    static constexpr int64_t steps = 512, together = 8, beside = 4, room = 1 << 18;  // numbers
    int64_t groups = 0, blocks = 0, *bound = nullptr;                    // of each group and block
    Term *term = nullptr;

    // those of at least `least` steps, up to `reach`, read a fraction `c` of a step later; of weight 0 where `zeros`
    TM_ONCE void build(const Pairs &pairs, const T *weights, const T *lags, double least, int64_t reach, double c,
                       bool zeros) {
        const int64_t nodes = pairs.nodes, fitting = room / (steps + reach);
        groups = (nodes + together - 1) / together;
        const int64_t apart = nodes * groups / (pairs.count + 1);  // no more blocks than connections of a group
        const int64_t block = 1 + (fitting > apart ? fitting : apart);
        blocks = (nodes + block - 1) / block;
        term = new Term[pairs.count], bound = new int64_t[groups * blocks + 1];
        int64_t all = 0;
        for (int64_t group = 0; group < groups; ++group) {
            const int64_t first = group * together;
            int64_t at[together], next[together];  // which pair of each who receives, and who sends
            const auto move = [&](int64_t l, int64_t k) {
                at[l] = k, next[l] = first + l < nodes && k < pairs.first[first + l + 1] ? pairs.from(first + l, k) : nodes;
            };
            for (int64_t l = 0; l < together; ++l) move(l, pairs.first[Own::least(first + l, nodes)]);
            for (int64_t b = 0; b < blocks; ++b) {
                bound[group * blocks + b] = all;
                for (const int64_t end = Own::least((b + 1) * block, nodes);;) {
                    int64_t from = end;
                    for (int64_t l = 0; l < together; ++l) from = Own::least(from, next[l]);
                    if (from == end) break;
                    const int64_t last = Own::least(end, from + beside);
                    for (int64_t l = 0; l < together; ++l)
                        for (int64_t k; next[l] < last; move(l, k + 1)) {
                            k = at[l];
                            if ((weights[k] != 0 || zeros) && lags[k] >= T(least) && lags[k] <= T(reach))
                                term[all++] = of(first + l, next[l], lags[k] - T(c), weights[k], k);
                        }
                }
            }
        }
        bound[groups * blocks] = all;
    }
    static Term of(int64_t to, int64_t from, T lag, T weight, int64_t pair) {
        const T ago = tm::floor(lag);
        return {int32_t(to), int32_t(from), int32_t(ago), lag - ago, weight, pair};
    }
    TM_ONCE ~Terms() {
        delete[] bound;
        delete[] term;
    }
};

#endif
