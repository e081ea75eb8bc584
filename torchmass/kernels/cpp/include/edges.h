// Connections whose delays are long enough for sums over the past alone, by the steps that can be computed at once.
#ifndef TORCHMASS_EDGES_H
#define TORCHMASS_EDGES_H

#include "pairs.h"

// The edges of a link by the steps that can be computed at once: 8, 4, 2, 1 vectors, and of the latest one, a half, a
// quarter, or one step; in each by target, those that read one sample first. Where sums may be early (Run::early), all but
// the latest can do with what was sent up to one vector of steps before.
//
// What was sent some steps ago counts `near`, what was sent one step before that `far`. It lies `place` numbers from what
// the first node sends now; the place of the shortest is the node, and 2³² times how many steps ago. They lie apart, since
// most edges have no `far`: all are read every few steps, and should take little of the nearest cache.
struct Edges {
    static constexpr int levels = 8, latest = 4;  // how many, and the first of the latest
    static constexpr int half = L / 2, quarter = L / 4 ? L / 4 : 1, none = 1 << 30;
    static constexpr int steps[levels] = {8 * L, 4 * L, 2 * L, L, L, half, quarter, 1};
    // the shortest delay of each level; where sums may be early there is one less, since each list takes time of its own
    static constexpr int shortest[2][levels] = {{8 * L, 4 * L, 2 * L, L, none, half, quarter, 1},
                                                {9 * L, 5 * L, none, 2 * L, L, half, quarter, 1}};
    int64_t nodes = 0, *bound = nullptr, *place = nullptr;
    T *near = nullptr, *far = nullptr;

    static int level(int64_t back, bool early) {
        int k = 0;
        while (back < shortest[early][k]) ++k;
        return k;
    }
    // the fewest steps that are read at once, at most a vector
    int64_t grain() const {
        int k = levels - 2;
        while (k > latest && !any(k)) --k;
        return steps[k];
    }

    // from weights and lags of pairs, those of at least `least` steps, read a fraction `c` of a step later; between two
    // nodes lie `length` numbers of what was sent, `brief` where the latest is read
    TM_ONCE void build(const Pairs &pairs, bool early, int64_t length, int64_t brief, const T *weights, const T *lags,
                       double least, double c, bool transposed) {
        nodes = pairs.nodes;
        const int64_t size = levels * nodes * 2;
        bound = new int64_t[size + 1]();
        int32_t *picked = new int32_t[nodes];
        for (int fill = 0; fill < 2; ++fill) {
            for (int64_t row = 0; row < nodes; ++row) {
                const int64_t first = pairs.first[row], count = pairs.first[row + 1] - first;
                const int64_t some = connected(picked, count, weights + first, lags + first, T(least));
                for (int64_t i = 0; i < some; ++i) {
                    const int64_t k = first + picked[i], column = pairs.from(row, k);
                    const int64_t to = transposed ? column : row, from = transposed ? row : column;
                    const T lag = lags[k] - T(c), whole = tm::floor(lag), part = lag - whole;
                    const int64_t back = int64_t(whole), at_once = level(back, early);
                    int64_t &at = bound[(at_once * nodes + to) * 2 + (part != 0)];
                    if (fill) {
                        const int64_t apart = at_once < latest ? length : brief;
                        place[at] = at_once < levels - 1 ? from * apart - back : back << 32 | from;
                        near[at] = weights[k] * (1 - part), far[at] = weights[k] * part;
                    }
                    ++at;
                }
            }
            const int64_t all = add_up(bound, size, fill);
            if (!fill) place = new int64_t[all + 8](), near = new T[all], far = new T[all];
        }
        delete[] picked;
    }
    // of pairs those that are connected, without a branch for each: most are not, in a large network
    static int64_t connected(int32_t *picked, int64_t count, const T *weights, const T *lags, T least) {
        int64_t some = 0;
        for (int64_t k = 0; k < count; ++k) {
            picked[some] = int32_t(k);
            some += (weights[k] != 0) & (lags[k] >= least);
        }
        return some;
    }
    bool any(int level) const { return bound[level * nodes * 2] != bound[(level + 1) * nodes * 2]; }
    // where those to a node begin, those of them that read between two samples, and where they end
    const int64_t *bounds(int level, int64_t to) const { return bound + (level * nodes + to) * 2; }
    int64_t count(int level, int64_t to) const { return bounds(level, to)[2] - bounds(level, to)[0]; }
    TM_ONCE ~Edges() {
        delete[] bound;
        delete[] place;
        delete[] near;
        delete[] far;
    }
};

#endif
