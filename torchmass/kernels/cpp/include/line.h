// What arrives after delays. Edges whose delay is at least K steps need only the past, so K steps of their sums are
// computed at once, from what each node sent, which lies one step after the other. The adjoint is the same on the
// transposed graph, backwards in time.
#ifndef TORCHMASS_LINE_H
#define TORCHMASS_LINE_H

#include "edges.h"

// steps of what was sent that lie in memory beside the past: the whole run, or few, so that they stay in the caches, and
// no fewer than the past, which is moved each time that they are full
TM_ONCE static int64_t room_of(const Run &r, bool whole) {
    constexpr int64_t block = 8 * L;
    if (whole) return (r.steps + block) / block * block;
    int64_t room = 512;
    for (int k = 0; k < Step::links; ++k)
        if (tm::delayed(Step::link[k].form) && r.reach[k] > room) room = r.reach[k];
    return (room + block - 1) / block * block;
}

// Sums of a few steps, less than a vector of them.
template <int count> struct Steps {
    typedef T Values __attribute__((vector_size(count * sizeof(T)), aligned(sizeof(T)), may_alias));
    Values values{};
    TM_ALWAYS void add(const T *from, T weight) { values += *reinterpret_cast<const Values *>(from) * weight; }
};
template <> struct Steps<1> {
    T values[1]{};
    TM_ALWAYS void add(const T *from, T weight) { values[0] += *from * weight; }
};

// The sums of a link over time. What is sent comes in row by row, time by time; sums are known one step ahead.
struct Line {
    static constexpr int ring = 2 * L, ahead = 4;
    const Own *own;
    int64_t nodes, width, channels, reach, room, origin = 0, mask, grain = L;  // `grain` steps are turned at once
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

    TM_ONCE void add(const Edges &some, T *sums) {
        edges[sets] = &some, table[sets++] = sums;
        grain = Own::least(grain, some.grain());
    }
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
            for (int level = 1; level < Edges::levels; ++level)
                if (t % Edges::steps[level] == 0 && edges[set]->any(level)) return true;
        return false;
    }
    // when row(t − 1) has been written: the rows up to there into the past of each node, where they are enough
    void turn_to(int64_t t) {
        if (t % grain) return;
        const T *from[L];
        for (int l = 0; l < grain; ++l) from[l] = row(t - grain + l);
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t j = own->begin; j < own->end; ++j) {
                T *to = sent(c, j, t - grain);
                for (int l = 0; l < grain; ++l) to[l] = from[l][c * width + j];
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
            if (t % Edges::half == 0 && edges[set]->any(4)) few<Edges::half>(set, 4, t);
            if (t % Edges::quarter == 0 && edges[set]->any(5)) few<Edges::quarter>(set, 5, t);
            if (edges[set]->any(6)) latest(set, t);
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
    template <int A> TM_ALWAYS static void soon(const T *from) {
        for (int k = 0; k < A; k += 64 / sizeof(V) > A ? A : 64 / sizeof(V)) __builtin_prefetch(from + k * L);
    }
    template <int A>
    TM_ALWAYS void accumulate(const Edges &edges, int level, int64_t channel, int64_t to, int64_t t, V *sum) const {
        const Edge *e = edges.begin(level, to, 0), *part = edges.begin(level, to, 1), *end = edges.begin(level, to, 2);
        const T *base = sent(channel, 0, t);
#pragma GCC unroll 8
        for (int k = 0; k < A; ++k) sum[k] = V(T(0));
        for (; e < part; ++e) {
            const T *from = base + e->place;
            const V near(e->near);
            soon<A>(base + e[ahead].place);
#pragma GCC unroll 8
            for (int k = 0; k < A; ++k) sum[k] = tm::fma(V::load(from + k * L), near, sum[k]);
        }
        for (; e < end; ++e) {
            const T *from = base + e->place;
            const V near(e->near), far(e->far);
            soon<A>(base + e[ahead].place);
#pragma GCC unroll 8
            for (int k = 0; k < A; ++k) {
                sum[k] = tm::fma(V::load(from + k * L), near, sum[k]);
                sum[k] = tm::fma(V::load(from + k * L - 1), far, sum[k]);
            }
        }
    }
    // work(target, its connections, the end of these) of the own targets of a level below a vector
    template <class Work> TM_ALWAYS void each_rare(int set, int level, const Work &work) const {
        const Edges &some = *edges[set];
        for (int64_t k = some.rare_bound[level]; k < some.rare_bound[level + 1]; ++k)
            if (const int64_t to = some.rare[k]; to >= own->begin && to < own->end)
                work(to, some.begin(level, to, 0), some.begin(level, to, 2));
    }
    // sums of less than a vector of steps
    template <int count> void few(int set, int level, int64_t t) {
        for (int64_t c = 0; c < channels; ++c) {
            const T *base = sent(c, 0, t);
            T *into[count];
            for (int k = 0; k < count; ++k) into[k] = out(set, t + k) + c * width;
            each_rare(set, level, [&](int64_t to, const Edge *e, const Edge *end) {
                Steps<count> sum;
                for (; e < end; ++e) {
                    sum.add(base + e->place, e->near);
                    if (e->far != 0) sum.add(base + e->place - 1, e->far);
                }
                for (int k = 0; k < count; ++k) into[k][to] += sum.values[k];
            });
            for (int64_t to = own->end; to < own->to * L; ++to)
                for (int k = 0; k < count; ++k) into[k][to] = into[k][nodes - 1];
        }
    }
    // sums of one step of the shortest, which read rows that may not be in the past of each node yet
    void latest(int set, int64_t t) {
        for (int64_t c = 0; c < channels; ++c) {
            T *into = out(set, t) + c * width;
            each_rare(set, Edges::levels - 1, [&](int64_t to, const Edge *e, const Edge *end) {
                T sum = 0;
                for (; e < end; ++e) {
                    const int64_t place = c * width + uint32_t(e->place), back = e->place >> 32;
                    sum += e->near * row(t - back)[place];
                    if (e->far != 0) sum += e->far * row(t - back - 1)[place];
                }
                into[to] += sum;
            });
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

#endif
