// What arrives after delays. Edges whose delay is at least K steps need only the past, so K steps of their sums are
// computed at once, from what each node sent, which lies one step after the other. The adjoint is the same on the
// transposed graph, backwards in time.
#ifndef TORCHMASS_DELAYS_H
#define TORCHMASS_DELAYS_H

#include "own.h"

// One connection: what was sent `back` steps ago counts `near`, what was sent one step before that `far`.
struct Edge {
    int32_t from, back;
    T near, far;
};

// The edges of a link by the steps that can be computed at once: 8, 4, 2, 1 vectors, half a one, or one step; in each by
// target, those that read one sample first.
struct Edges {
    static constexpr int levels = 6;
    int64_t nodes = 0, *bound = nullptr;
    Edge *edge = nullptr;

    static int level(int64_t back) {
        return back >= 8 * L ? 0 : back >= 4 * L ? 1 : back >= 2 * L ? 2 : back >= L ? 3 : 2 * back >= L ? 4 : 5;
    }

    // from weights and lags, [to][from], those of at least `least` steps, read a fraction `c` of a step later
    TM_ONCE void build(int64_t count, const T *weights, const T *lags, double least, double c, bool transposed) {
        nodes = count;
        const int64_t size = levels * nodes * 2;
        bound = new int64_t[size + 1]();
        for (int fill = 0; fill < 2; ++fill) {
            for (int64_t k = 0; k < count * count; ++k) {
                if (weights[k] == 0 || !(lags[k] >= T(least))) continue;
                const T lag = lags[k] - T(c), whole = tm::floor(lag), part = lag - whole;
                const int64_t to = transposed ? k % count : k / count, from = transposed ? k / count : k % count;
                int64_t &at = bound[(level(int64_t(whole)) * nodes + to) * 2 + (part != 0)];
                if (fill) edge[at] = {int32_t(from), int32_t(whole), weights[k] * (1 - part), weights[k] * part};
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

// The sums of a link over time. What is sent comes in row by row, time by time; sums are known one step ahead.
struct Line {
    static constexpr int ring = 2 * L, ahead = 4, half = L / 2;
    typedef T Half __attribute__((vector_size(half * sizeof(T)), aligned(sizeof(T)), may_alias));
    const Own *own;
    int64_t nodes, width, channels, reach, room, origin = 0, mask;
    T *past;  // [channel][node][time]: `reach` steps before `origin`, and `room` from there on
    T *rows;  // [time][channel][lane], the latest
    int sets = 0;
    const Edges *edges[2];  // of each set: what is summed, and the sums, [time][channel][lane]
    T *table[2];

    int64_t length() const { return reach + room; }
    int64_t step() const { return channels * width; }
    T *row(int64_t t) const { return rows + (t & (ring - 1)) * step(); }
    T *out(int set, int64_t t) const { return table[set] + (t & mask) * step(); }
    T *sent(int64_t channel, int64_t node, int64_t t) const {
        return past + (channel * nodes + node) * length() + reach + (t - origin);
    }
    static int64_t full_table(int64_t steps) { return steps + 8 * L + 1; }
    static constexpr int64_t ring_table = 16 * L;

    // the row before time 0 that lies `back` steps ago is at before + (reach − back) · per_row, [channel][node]
    TM_ONCE void begin(const T *before, int64_t per_row) {
        origin = 0;
        own->clear(rows, ring * channels, width);
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t j = own->begin; j < own->end; ++j) {
                for (int64_t t = 0; t < reach; ++t)
                    past[(c * nodes + j) * length() + t] = before ? before[t * per_row + c * nodes + j] : T(0);
                for (int64_t back = 1; before && back <= reach && back < ring; ++back)
                    row(-back)[c * width + j] = before[(reach - back) * per_row + c * nodes + j];
            }
    }
    // whether sums that begin at time t read what other nodes sent just before
    bool reads(int64_t t) const {
        if (t % (8 * L) == 0) return true;
        for (int set = 0; set < sets; ++set)
            for (int level = 1, steps = 4 * L; level < Edges::levels; ++level, steps = level == 5 ? 1 : steps / 2)
                if (t % steps == 0 && edges[set]->any(level)) return true;
        return false;
    }
    // when row(t − 1) has been written: the rows up to there into the past of each node, where they are enough
    void turn_to(int64_t t) {
        if (t % half) return;
        const T *from[half];
        for (int l = 0; l < half; ++l) from[l] = row(t - half + l);
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t j = own->begin; j < own->end; ++j) {
                T *to = sent(c, j, t - half);
                for (int l = 0; l < half; ++l) to[l] = from[l][c * width + j];
            }
    }
    TM_ONCE void roll() {
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t j = own->begin; j < own->end; ++j) {
                T *of = past + (c * nodes + j) * length();
                __builtin_memmove(of, of + room, reach * sizeof(T));
            }
        origin += room;
    }
    // all that is left to add to the sums of time t
    void complete(int64_t t) {
        for (int set = 0; set < sets; ++set) {
            if (t % (8 * L) == 0) block<8, true>(set, 0, t);
            if (t % (4 * L) == 0 && edges[set]->any(1)) block<4, false>(set, 1, t);
            if (t % (2 * L) == 0 && edges[set]->any(2)) block<2, false>(set, 2, t);
            if (t % L == 0 && edges[set]->any(3)) block<1, false>(set, 3, t);
            if (t % half == 0 && edges[set]->any(4)) few(set, t);
            if (edges[set]->any(5)) single(set, t);
        }
    }
    // sums of A vectors of steps from t on
    template <int A, bool first> void block(int set, int level, int64_t t) {
        T sums[A * L][L];
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t to = own->begin; to < own->end; to += L) {
                for (int l = 0; l < L; ++l) {
                    if (to + l >= nodes) {
                        for (int k = 0; k < A * L; ++k) sums[k][l] = sums[k][l - 1];
                        continue;
                    }
                    V sum[A];
                    accumulate<A>(*edges[set], level, c, to + l, t, sum);
                    for (int k = 0; k < A; ++k) {
                        T values[L];
                        sum[k].store(values);
                        for (int i = 0; i < L; ++i) sums[k * L + i][l] = values[i];
                    }
                }
                for (int k = 0; k < A * L; ++k) {
                    T *into = out(set, t + k) + c * width + to;
                    (first ? V::load(sums[k]) : V::load(into) + V::load(sums[k])).store(into);
                }
            }
    }
    // what a later edge reads lies in the farther caches, and each edge reads elsewhere
    template <int A> TM_ALWAYS static void soon(const T *base, int64_t per_node, const Edge *e) {
        const T *from = base + e->from * per_node - e->back;
        for (int k = 0; k < A; k += 64 / sizeof(V) > A ? A : 64 / sizeof(V)) __builtin_prefetch(from + k * L);
    }
    template <int A>
    TM_ALWAYS void accumulate(const Edges &edges, int level, int64_t channel, int64_t to, int64_t t, V *sum) const {
        const Edge *e = edges.begin(level, to, 0), *part = edges.begin(level, to, 1), *end = edges.begin(level, to, 2);
        const int64_t per_node = length();
        const T *base = sent(channel, 0, t);
#pragma GCC unroll 8
        for (int k = 0; k < A; ++k) sum[k] = V(T(0));
        for (; e < part; ++e) {
            const T *from = base + e->from * per_node - e->back;
            const V near(e->near);
            soon<A>(base, per_node, e + ahead);
#pragma GCC unroll 8
            for (int k = 0; k < A; ++k) sum[k] = tm::fma(V::load(from + k * L), near, sum[k]);
        }
        for (; e < end; ++e) {
            const T *from = base + e->from * per_node - e->back;
            const V near(e->near), far(e->far);
            soon<A>(base, per_node, e + ahead);
#pragma GCC unroll 8
            for (int k = 0; k < A; ++k) {
                sum[k] = tm::fma(V::load(from + k * L), near, sum[k]);
                sum[k] = tm::fma(V::load(from + k * L - 1), far, sum[k]);
            }
        }
    }
    // sums of half a vector of steps
    void few(int set, int64_t t) {
        for (int64_t c = 0; c < channels; ++c) {
            const T *base = sent(c, 0, t);
            for (int64_t to = own->begin; to < own->to * L; ++to) {
                const int64_t node = to < nodes ? to : nodes - 1;
                Half sum{};
                for (const Edge *e = edges[set]->begin(4, node, 0), *end = edges[set]->begin(4, node, 2); e < end; ++e) {
                    const T *from = base + e->from * length() - e->back;
                    sum += reinterpret_cast<const Half &>(*from) * e->near;
                    if (e->far != 0) sum += reinterpret_cast<const Half &>(from[-1]) * e->far;
                }
                for (int k = 0; k < half; ++k) out(set, t + k)[c * width + to] += sum[k];
            }
        }
    }
    // what arrives at time t from still fewer steps ago
    void single(int set, int64_t t) {
        for (int64_t c = 0; c < channels; ++c) {
            T *into = out(set, t) + c * width;
            for (int64_t to = own->begin; to < own->end; ++to) {
                T sum = into[to];
                for (const Edge *e = edges[set]->begin(5, to, 0), *end = edges[set]->begin(5, to, 2); e < end; ++e) {
                    const int64_t from = c * width + e->from;
                    sum += e->near * row(t - e->back)[from] + e->far * row(t - e->back - 1)[from];
                }
                into[to] = sum;
            }
            for (int64_t to = own->end; to < own->to * L; ++to) into[to] = into[nodes - 1];
        }
    }
    // what was sent so far is as if it had been 0
    TM_ONCE void forget(int64_t t) {
        own->clear(rows, ring * channels, width);
        for (int64_t c = 0; c < channels; ++c) {
            for (int64_t k = own->begin * length(); k < own->end * length(); ++k) past[c * nodes * length() + k] = 0;
            for (int64_t i = own->from * L; i < own->to * L; ++i)
                for (int set = 0; set < sets; ++set)
                    for (int64_t k = 1; k < 8 * L; ++k) out(set, t + k)[c * width + i] = 0;
        }
    }
};

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

    static int place(double c) { return c == 1 ? 0 : c == 0.5 ? 1 : 2; }
    TM_ONCE Short(int64_t to, int64_t from, T weight, T lag) : to(int32_t(to)), from(int32_t(from)), weight(weight) {
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

    TM_ONCE void build(int64_t nodes, const T *weights, const T *lags, double least, bool zeros, bool moving, bool back) {
        bound = new int64_t[nodes + 1];
        for (int fill = 0; fill < 2; ++fill) {
            if (fill) all = new Short[bound[nodes] + 1];
            int64_t count = 0;
            for (int64_t place = 0; place < nodes * nodes; ++place) {
                if (place % nodes == 0) bound[place / nodes] = count;
                const int64_t to = back ? place % nodes : place / nodes, from = back ? place / nodes : place % nodes;
                const int64_t k = to * nodes + from;
                if ((weights[k] == 0 && !zeros) || lags[k] >= T(least)) continue;
                if (to == from && lags[k] == 0 && (weights[k] == 0 || !moving)) {
                    if (!self) self = new T[nodes + L]();
                    self[to] = weights[k];
                } else {
                    if (fill) all[count] = Short(to, from, weights[k], lags[k]);
                    ++count;
                }
            }
            bound[nodes] = count;
        }
        for (int64_t i = nodes; self && i < nodes + L; ++i) self[i] = self[nodes - 1];
    }
    TM_ONCE ~Shorts() {
        delete[] all;
        delete[] bound;
        delete[] self;
    }
};

#endif
