// What arrives after delays. Edges whose delay is at least K steps need only the past, so K steps of their sums are
// computed at once, from what each node sent, which lies one step after the other. The adjoint is the same on the
// transposed graph, backwards in time.
#ifndef TORCHMASS_LINE_H
#define TORCHMASS_LINE_H

#include "past.h"
#include "places.h"
#include "receivers.h"
#include "sums.h"

// The sums of a link over time. What is sent comes in row by row, time by time; sums are known one step ahead.
//
// Where two threads may share them (Run::early), sums over what was sent two vectors of steps ago or more are `coming`, the
// rest is `near`. If they do, these lie `apart`: the one has a lead of a vector of steps, each turns what was sent into a
// past of its own, and they hand over rows, which takes next to no time; what lies node by node would take as long as it
// saves.
struct Line : Places {
    const Own *own, *early;  // for whom sums are taken here: all or near ones; and those that are early
    int64_t nodes, width, channels, mask, grain = L;  // `grain` steps are turned at once
    bool has_near, apart;
    Past past, brief;
    int sets = 0;
    const Edges *edges[2];   // of each set: what is summed,
    Receivers receivers[2];  // for whom

    int64_t step() const { return channels * width; }
    T *row(int64_t t) const { return rows + (t & (ring - 1)) * step(); }
    T *out(int set, int64_t t) const { return table[set] + (t & mask) * step(); }
    const Past &lately() const { return apart ? brief : past; }
    T *coming_at(int set, int64_t channel, int64_t node, int64_t t) const {
        return coming[set] + (channel * nodes + node) * coming_row(apart) + (t & (coming_steps(apart) - 1));
    }
    T *near_at(int set, int64_t channel, int64_t node, int64_t t) const {
        return has_near ? near[set] + (channel * nodes + node) * L + t % L : coming_at(set, channel, node, t);
    }

    // of a link: `room` steps lie beside the past; `shares` where nodes read rows of others
    TM_ONCE void open(const Run &r, int link, const Places &places, int64_t room, bool keeps, bool shares) {
        static_cast<Places &>(*this) = places;
        if (!shares) rows = own_rows;
        nodes = r.nodes, width = row_width(r.nodes), channels = Step::link[link].channels, has_near = r.early;
        mask = keeps ? -1 : few_rows(r.early) - 1;
        past = {channels, nodes, r.reach[link], lead_of(r, link), room, 0, whole_past};
        brief = {channels, nodes, brief_steps, brief_steps, brief_steps, 0, brief_past};
    }
    TM_ONCE void serve(const Own &some, const Own &some_early, bool two) { own = &some, early = &some_early, apart = two; }
    TM_ONCE void add(const Edges &some) { edges[sets++] = &some, grain = Own::least(grain, some.grain()); }
    TM_ONCE void begin(const T *before, int64_t per_row) {
        own->clear(rows, ring * channels, width);
        past.begin(*early, before, per_row, past.reach);
        if (apart) brief.begin(*own, before, per_row, past.reach);
        past.each(*own, [&](int64_t c, int64_t j) {
            for (int64_t back = 1; before && back <= past.reach && back < ring; ++back)
                row(-back)[c * width + j] = before[(past.reach - back) * per_row + c * nodes + j];
        });
    }
    // whether sums that begin at time t read what other threads wrote just before
    bool reads(int64_t t) const {
        if (apart) return t % L == 0;
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
        if (t % grain == 0) by_grain([&](auto count) { turn_in(count, lately(), *own, t - grain); });
    }
    template <int count> void turn_in(Count<count> steps, const Past &into, const Own &some, int64_t t) {
        into.turn_in(steps, some, width, t, [&](int64_t at) { return row(at); });
    }
    // all that is left to add to the sums of time t
    void complete(int64_t t) {
        if (t % L == 0) prepare(t + (apart ? L : 0));
        for (int set = 0; set < sets && own->some(); ++set) close(set, t);
    }
    // sums of whole vectors of steps from time t on, over what was sent before they were needed
    void prepare(int64_t t) {
        for (int set = 0; set < sets && early->some(); ++set) {
            const auto to = [&](int64_t c, int64_t node) { return coming_at(set, c, node, t); };
            receivers[set].follow(*edges[set], *early);
            if (t % (8 * L) == 0) block<8, true>(set, 0, past, t, to);
            if (t % (4 * L) == 0) block<4, false>(set, 1, past, t, to);
            if (!has_near && t % (2 * L) == 0) block<2, false>(set, 2, past, t, to);
            if (apart || !has_near) block<1, false>(set, 3, past, t, to);
            else if (t % (2 * L) == 0) block<2, false, Sums<1>::chains>(set, 3, past, t, to);  // needs no lead
            if (apart) turn_out(Count<L>(), set, *early, t, true, false);
        }
    }
    // what is added just then
    void close(int set, int64_t t) {
        const auto to = [&](int64_t c, int64_t node) { return near_at(set, c, node, t); };
        receivers[set].follow(*edges[set], *own);
        if (has_near && t % L == 0) block<1, true>(set, Edges::latest, lately(), t, to);
        if (t % Edges::half == 0) few<Edges::half>(set, Edges::latest + 1, t, to);
        if (t % Edges::quarter == 0) few<Edges::quarter>(set, Edges::latest + 2, t, to);
        if (t % grain == 0) by_grain([&](auto count) { turn_out(count, set, *own, t, !apart, has_near); });
        if (apart && t % grain == 0 && t % L + grain < L) foresee(set, t + grain);
        if (edges[set]->any(Edges::latest + 3)) shortest(set, t);
    }
    // rows that another thread wrote are asked for in time
    TM_ALWAYS void foresee(int set, int64_t t) const {
        for (int64_t k = t; k < t + grain; ++k)
            for (int64_t i = 0; i < step(); i += line_of_cache) __builtin_prefetch(out(set, k) + i, 1);
    }
    // the sums of the next steps into their rows: those that are `coming`, or else what is there, and those that are `near`
    template <int count>
    TM_ALWAYS void turn_out(Count<count>, int set, const Own &some, int64_t t, bool with_coming, bool with_near) {
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t to = some.begin; to < some.end; to += L) {
                alignas(sizeof(V)) T far[L][count], late[L][count];
                for (int l = 0; l < L; ++l) {
                    const int64_t node = Own::least(to + l, nodes - 1);
                    if (with_coming) __builtin_memcpy(far[l], coming_at(set, c, node, t), sizeof far[l]);
                    if (with_near) __builtin_memcpy(late[l], near_at(set, c, node, t), sizeof late[l]);
                }
                V v[count], w[count];
                for (int k = 0; k < count; ++k) {
                    if (with_coming) v[k] = V::load(far[0] + k * L);
                    if (with_near) w[k] = V::load(late[0] + k * L);
                    if (with_coming && with_near) v[k] += w[k];
                }
                turn<L>(with_coming ? v : w);
                for (int k = 0; k < count; ++k) {
                    T *into = out(set, t + k) + c * width + to;
                    (with_coming ? v[k] : V::load(into) + w[k]).store(into);
                }
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
    // sums of A vectors of steps from t on, into what lies at at(channel, node)
    template <int A, bool first, int chains = Sums<A>::chains, class At>
    void block(int set, int level, const Past &from, int64_t t, const At &at) {
        each(set, level, [&](int64_t c, int64_t to, int64_t begin, int64_t between, int64_t end) {
            Sums<A, chains> sums;
            sums.add(*edges[set], begin, between, from.at(c, 0, t));
            sums.add_between(*edges[set], between, end, from.at(c, 0, t));
            T *into = at(c, to);
            for (int k = 0; k < A; ++k)
                (first ? sums.total(k) : V::load(into + k * L) + sums.total(k)).store(into + k * L);
        });
    }
    // sums of less than a vector of steps
    template <int count, class At> void few(int set, int level, int64_t t, const At &at) {
        const Edges &e = *edges[set];
        each(set, level, [&](int64_t c, int64_t to, int64_t k, int64_t between, int64_t end) {
            const T *base = lately().at(c, 0, t);
            FewSums<count> sums;
            for (; k < between; ++k) sums.read(base + e.place[k], e.near[k]);
            for (; k < end; ++k) sums.read(base + e.place[k], e.near[k]), sums.read(base + e.place[k] - 1, e.far[k]);
            sums.add_to(at(c, to));
        });
    }
    // sums of one step of the shortest, which read rows that may not be in the past of each node yet
    void shortest(int set, int64_t t) {
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
        past.forget(*early);
        if (apart) brief.forget(*own);
        for (int set = 0; set < sets; ++set) {
            past.each(*early, [&](int64_t c, int64_t j) {
                for (int64_t k = 0; k < coming_steps(apart); ++k) coming_at(set, c, j, 0)[k] = 0;
            });
            past.each(*own, [&](int64_t c, int64_t j) {
                for (int64_t k = 0; has_near && k < L; ++k) near_at(set, c, j, 0)[k] = 0;
            });
            for (int64_t k = 1; k < (apart ? 2 * L : L); ++k) own->clear(out(set, t + k), channels, width);
        }
    }
};

#endif
