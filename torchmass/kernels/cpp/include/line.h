// What arrives after delays. Edges whose delay is at least K steps need only the past, so K steps of their sums are
// computed at once, from what each node sent, which lies one step after the other. The adjoint is the same on the
// transposed graph, backwards in time.
#ifndef TORCHMASS_LINE_H
#define TORCHMASS_LINE_H

#include "edges.h"
#include "turn.h"

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
    TM_ALWAYS void into(T *to) const { *reinterpret_cast<Values *>(to) += values; }
};
template <> struct Steps<1> {
    T values[1]{};
    TM_ALWAYS void add(const T *from, T weight) { values[0] += *from * weight; }
    TM_ALWAYS void into(T *to) const { *to += values[0]; }
};
template <int> struct Count {};

// The sums of a link over time. What is sent comes in row by row, time by time; sums are known one step ahead.
struct Line {
    static constexpr int ring = 2 * L, ahead = 4;
    const Own *own;
    int64_t nodes, width, channels, reach, room, origin = 0, mask, grain = L;  // `grain` steps are turned at once
    T *past;  // [channel][node][time]: `reach` steps before `origin`, and `room` from there on
    T *rows;  // [time][channel][lane], the latest
    int sets = 0;
    const Edges *edges[2];      // of each set: what is summed,
    T *coming[2], *table[2];  // sums that are not whole yet, [channel][node][time], and that are, [time][channel][lane]

    int64_t length() const { return reach + room; }
    int64_t step() const { return channels * width; }
    T *row(int64_t t) const { return rows + (t & (ring - 1)) * step(); }
    T *out(int set, int64_t t) const { return table[set] + (t & mask) * step(); }
    T *sent(int64_t channel, int64_t node, int64_t t) const {
        return past + (channel * nodes + node) * length() + reach + (t - origin);
    }
    T *coming_at(int set, int64_t channel, int64_t node, int64_t t) const {
        return coming[set] + (channel * nodes + node) * at_most + t % at_most;
    }
    static constexpr int64_t at_most = Edges::steps[0], ring_table = 2 * L;
    static int64_t full_table(int64_t steps) { return steps + L + 1; }

    TM_ONCE void add(const Edges &some, T *begun, T *whole) {
        edges[sets] = &some, coming[sets] = begun, table[sets++] = whole;
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
    // calls work(how many steps are turned at once), which its type says
    template <class Work> TM_ALWAYS void by_grain(const Work &work) const {
        if (grain == L) work(Count<L>());
        else if (grain == Edges::half) work(Count<Edges::half>());
        else work(Count<Edges::quarter>());
    }
    // when row(t − 1) has been written: the rows up to there into the past of each node, where they are enough
    void turn_to(int64_t t) {
        if (t % grain == 0) by_grain([&](auto count) { turn_in(count, t - grain); });
    }
    template <int count> void turn_in(Count<count>, int64_t t) {
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t j = own->begin; j < own->end; j += L) {
                V v[count];
                for (int k = 0; k < count; ++k) v[k] = V::load(row(t + k) + c * width + j);
                turn<count>(v);
                alignas(sizeof(V)) T held[L][count];
                for (int k = 0; k < count; ++k) v[k].store(held[0] + k * L);
                for (int64_t l = 0; l < L && j + l < own->end; ++l) __builtin_memcpy(sent(c, j + l, t), held[l], sizeof held[l]);
            }
    }
    // the sums of the next steps into their rows
    template <int count> void turn_out(Count<count>, int set, int64_t t) {
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t to = own->begin; to < own->end; to += L) {
                alignas(sizeof(V)) T held[L][count];
                for (int l = 0; l < L; ++l)
                    __builtin_memcpy(held[l], coming_at(set, c, Own::least(to + l, nodes - 1), t), sizeof held[l]);
                V v[count];
                for (int k = 0; k < count; ++k) v[k] = V::load(held[0] + k * L);
                turn<L>(v);
                for (int k = 0; k < count; ++k) v[k].store(out(set, t + k) + c * width + to);
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
            if (t % (4 * L) == 0) block<4, false>(set, 1, t);
            if (t % (2 * L) == 0) block<2, false>(set, 2, t);
            if (t % L == 0) block<1, false>(set, 3, t);
            if (t % Edges::half == 0) few<Edges::half>(set, 4, t);
            if (t % Edges::quarter == 0) few<Edges::quarter>(set, 5, t);
            if (t % grain == 0) by_grain([&](auto count) { turn_out(count, set, t); });
            if (edges[set]->any(6)) latest(set, t);
        }
    }
    // sums of A vectors of steps from t on
    template <int A, bool first> void block(int set, int level, int64_t t) {
        if (!first && !edges[set]->any(level)) return;
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t to = own->begin; to < own->end; ++to) {
                V sum[A];
                accumulate<A>(*edges[set], level, c, to, t, sum);
                T *into = coming_at(set, c, to, t);
                for (int k = 0; k < A; ++k) (first ? sum[k] : V::load(into + k * L) + sum[k]).store(into + k * L);
            }
    }
    // what a later edge reads long ago lies in the farther caches, and each edge reads elsewhere
    template <int A> TM_ALWAYS static void soon(const T *from) {
        if (A < 4) return;
        for (int k = 0; k < A; k += 64 / sizeof(V) > A ? A : 64 / sizeof(V)) __builtin_prefetch(from + k * L);
    }
    template <int A>
    TM_ALWAYS void accumulate(const Edges &edges, int level, int64_t channel, int64_t to, int64_t t, V *sum) const {
        const Edge *e = edges.begin(level, to, 0), *part = edges.begin(level, to, 1), *end = edges.begin(level, to, 2);
        const T *base = sent(channel, 0, t);
        constexpr int chains = A < 4 ? 4 / A : 1;  // of sums that do not wait for each other
        V sums[chains][A];
#pragma GCC unroll 4
        for (int i = 0; i < chains; ++i) zero(sums[i]);
        for (; e + chains <= part; e += chains)
#pragma GCC unroll 4
            for (int i = 0; i < chains; ++i) add(sums[i], base + e[i].place, e[i].near), soon<A>(base + e[i + ahead].place);
        for (; e < part; ++e) add(sums[0], base + e->place, e->near);
        for (; e < end; ++e) {
            soon<A>(base + e[ahead].place);
            add(sums[0], base + e->place, e->near), add(sums[chains - 1], base + e->place - 1, e->far);
        }
#pragma GCC unroll 4
        for (int i = 1; i < chains; ++i)
#pragma GCC unroll 8
            for (int k = 0; k < A; ++k) sums[0][k] += sums[i][k];
#pragma GCC unroll 8
        for (int k = 0; k < A; ++k) sum[k] = sums[0][k];
    }
    template <int A> TM_ALWAYS static void zero(V (&sum)[A]) {
#pragma GCC unroll 8
        for (V &one : sum) one = V(T(0));
    }
    template <int A> TM_ALWAYS static void add(V (&sum)[A], const T *from, T weight) {
        const V one(weight);
#pragma GCC unroll 8
        for (int k = 0; k < A; ++k) sum[k] = tm::fma(V::load(from + k * L), one, sum[k]);
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
            each_rare(set, level, [&](int64_t to, const Edge *e, const Edge *end) {
                Steps<count> sum;
                for (; e < end; ++e) {
                    sum.add(base + e->place, e->near);
                    if (e->far != 0) sum.add(base + e->place - 1, e->far);
                }
                sum.into(coming_at(set, c, to, t));
            });
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
            for (int set = 0; set < sets; ++set) {
                for (int64_t i = own->begin * at_most; i < own->end * at_most; ++i) coming_at(set, c, 0, 0)[i] = 0;
                for (int64_t k = 1; k < L; ++k)
                    for (int64_t i = own->from * L; i < own->to * L; ++i) out(set, t + k)[c * width + i] = 0;
            }
        }
    }
};

#endif
