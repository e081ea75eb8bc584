// What arrives after delays. Edges whose delay is at least K steps need only the past, so K steps of their sums are
// computed at once, from what each node sent, which lies one step after the other. The adjoint is the same on the
// transposed graph, backwards in time.
#ifndef TORCHMASS_LINE_H
#define TORCHMASS_LINE_H

#include "receivers.h"
#include "sums.h"

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

template <int> struct Count {};

// The sums of a link over time. What is sent comes in row by row, time by time; sums are known one step ahead.
struct Line {
    static constexpr int ring = 2 * L;
    const Own *own;
    int64_t nodes, width, channels, reach, room, origin = 0, mask, grain = L;  // `grain` steps are turned at once
    T *past;  // [channel][node][time]: `reach` steps before `origin`, and `room` from there on
    T *rows;  // [time][channel][lane], the latest
    int sets = 0;
    const Edges *edges[2];    // of each set: what is summed,
    Receivers receivers[2];   // for whom,
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

    // of a link, for some nodes: `size` steps lie beside the past
    TM_ONCE void open(const Run &r, int link, const Own &some, int64_t size, T *before, T *latest, bool keeps) {
        own = &some, nodes = r.nodes, width = row_width(r.nodes), channels = Step::link[link].channels;
        reach = r.reach[link], room = size, mask = keeps ? -1 : ring_table - 1, past = before, rows = latest;
    }
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
            receivers[set].follow(*edges[set], *own);
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
    // work(channel, node, where its connections begin, those of them that read between two samples, and the end)
    template <class Work> TM_ALWAYS void each(int set, int level, const Work &work) const {
        const Receivers &all = receivers[set];
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t i = all.bound[level]; i < all.bound[level + 1]; ++i) {
                const int64_t to = all.node[i], *bounds = edges[set]->bounds(level, to);
                work(c, to, bounds[0], bounds[1], bounds[2]);
            }
    }
    // sums of A vectors of steps from t on
    template <int A, bool first> void block(int set, int level, int64_t t) {
        each(set, level, [&](int64_t c, int64_t to, int64_t begin, int64_t between, int64_t end) {
            Sums<A> sums;
            sums.add(*edges[set], begin, between, sent(c, 0, t));
            sums.add_between(*edges[set], between, end, sent(c, 0, t));
            T *into = coming_at(set, c, to, t);
            for (int k = 0; k < A; ++k)
                (first ? sums.total(k) : V::load(into + k * L) + sums.total(k)).store(into + k * L);
        });
    }
    // sums of less than a vector of steps
    template <int count> void few(int set, int level, int64_t t) {
        const Edges &e = *edges[set];
        each(set, level, [&](int64_t c, int64_t to, int64_t k, int64_t between, int64_t end) {
            const T *base = sent(c, 0, t);
            FewSums<count> sums;
            for (; k < between; ++k) sums.read(base + e.place[k], e.near[k]);
            for (; k < end; ++k) sums.read(base + e.place[k], e.near[k]), sums.read(base + e.place[k] - 1, e.far[k]);
            sums.add_to(coming_at(set, c, to, t));
        });
    }
    // sums of one step of the shortest, which read rows that may not be in the past of each node yet
    void latest(int set, int64_t t) {
        const Edges &e = *edges[set];
        each(set, Edges::levels - 1, [&](int64_t c, int64_t to, int64_t k, int64_t, int64_t end) {
            T sum = 0;
            for (; k < end; ++k) {
                const int64_t place = c * width + uint32_t(e.place[k]), back = e.place[k] >> 32;
                sum += e.near[k] * row(t - back)[place];
                if (e.far[k] != 0) sum += e.far[k] * row(t - back - 1)[place];
            }
            out(set, t)[c * width + to] += sum;
        });
        for (T *into = out(set, t); into < out(set, t) + step(); into += width)
            for (int64_t to = own->end; to < own->to * L; ++to) into[to] = into[nodes - 1];
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
