// Gradients of weights and delays. They have no order in time: what came back in many steps is taken with what was sent
// before them at once, edge by edge.
#ifndef TORCHMASS_CORRELATION_H
#define TORCHMASS_CORRELATION_H

#include "graph.h"

// Of `edges` connections to one node: with[e] += Σ over `count` numbers of a with b[e], and before[e] with what lies one
// place before b[e]. What follows a is 0, so that a may be read one place later instead, once for all of them.
template <int edges, bool both>
static void correlate(const T *a, const T *const *b, int64_t count, double *with, double *before) {
    constexpr int chains = edges == 1 ? 4 : both ? 1 : 2;  // that do not wait for each other
    V near[edges][chains], far[edges][chains];
#pragma GCC unroll 4
    for (int e = 0; e < edges; ++e)
#pragma GCC unroll 4
        for (int k = 0; k < chains; ++k) near[e][k] = far[e][k] = V(T(0));
    for (int64_t t = 0; t < count; t += chains * L)
#pragma GCC unroll 4
        for (int k = 0; k < chains; ++k) {
            V one = V::load(a + t + k * L), next = both ? V::load(a + t + k * L + 1) : one;
            if (both) tm::read_once(one), tm::read_once(next);
#pragma GCC unroll 4
            for (int e = 0; e < edges; ++e) {
                V sent = V::load(b[e] + t + k * L);
                if (both) tm::read_once(sent);
                near[e][k] = tm::fma(one, sent, near[e][k]);
                if (both) far[e][k] = tm::fma(next, sent, far[e][k]);
            }
        }
#pragma GCC unroll 4
    for (int e = 0; e < edges; ++e) {
#pragma GCC unroll 4
        for (int k = 1; k < chains; ++k) near[e][0] += near[e][k], far[e][0] += far[e][k];
        with[e] += total(near[e][0]);
        if (both) before[e] += total(far[e][0]) + double(a[0]) * double(b[e][-1]);
    }
}

// of vectors `first` … `last` − 1, rows of `steps` steps, [step][lane], as [lane][step], 0 up to `length` steps
static void turn(T *to, Rows rows, int64_t steps, int64_t length, int64_t first, int64_t last) {
    for (int64_t i = first * L; i < last * L; i += L)
        for (int64_t t = 0; t < length; t += L) {
            V v[L];
            for (int k = 0; k < L; ++k) v[k] = t + k < steps ? V::load(rows.first + (t + k) * rows.apart + i) : V(T(0));
            turn<L>(v);
            for (int k = 0; k < L; ++k) v[k].store(to + (i + k) * length + t);
        }
}

// into[e] += Σ_t back[to][t] sent[from][t] for connections to nodes `first` … `last` − 1, over `steps` steps; as many at once
// as a vector has lanes, since to add up the lanes of one takes as long as its products do
template <int steps>
static void correlate(const Sparse &sparse, double *into, const T *back, const T *sent, int64_t first, int64_t last) {
    const int64_t end = sparse.first_to(last);
    for (int64_t e = sparse.first_to(first); e < end; e += L) {
        const int64_t live = Own::least(L, end - e);
        V sum[L];
        for (int64_t k = 0; k < L; ++k) {
            const int64_t one = e + Own::least(k, live - 1);
            const T *a = back + sparse.to[one] * steps, *b = sent + sparse.from[one] * steps;
            sum[k] = V(T(0));
#pragma GCC unroll 32
            for (int t = 0; t < steps; t += L) sum[k] = tm::fma(V::load(a + t), V::load(b + t), sum[k]);
        }
        const V all = added_up(sum);
        for (int64_t k = 0; k < live; ++k) into[e + k] += double(all[k]);
    }
}

struct Correlation {
    static constexpr int64_t chunk = Terms::steps, slices = chunk / L;
    static constexpr int64_t row = chunk + 16;  // rows of all nodes must not share lines of the cache
    const Own *own;
    const Terms *terms;
    int64_t nodes, channels, width, steps, lead, per_node;
    const T *past;                 // as in a Line, of all steps
    double *to_weights, *to_lags;  // gradients, null where not wanted
    bool spread;                   // a chunk is summed during the next one, a slice of its terms with each vector of steps
    int64_t pieces;                // into which the terms of a group and block are cut for that
    T *back = nullptr;             // [channel][node][step of the chunk]: what came back; twice where it is spread

    bool wanted() const { return to_weights || to_lags; }

    // of step steps − s: the first of its chunk, and its place
    int64_t first(int64_t s) const {
        const int64_t t = steps + 1 - (s / chunk + 1) * chunk;
        return t < 0 ? 0 : t;
    }
    T *held(int64_t s) const { return back + (spread ? s / chunk % 2 : 0) * channels * nodes * row; }
    T *place(int64_t channel, int64_t node, int64_t s) const {
        return held(s) + (channel * nodes + node) * row + steps - s - first(s);
    }
    // rows of the line up to the one before `end`, where they are a vector of steps
    void take(const Line &l, int64_t end) {
        if (!wanted() || end % L) return;
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t i = own->begin; i < own->end; i += L) {
                V v[L];
                for (int k = 0; k < L; ++k) v[k] = V::load(l.row(end - 1 - k) + c * width + i);  // steps come last first
                turn<L>(v);
                T *to = place(c, i, end - 1);
                for (int64_t k = 0; k < L && i + k < own->end; ++k, to += row) (V::load(to) + v[k]).store(to);
            }
        const int64_t last = end / chunk * chunk - 1, slice = end % chunk / L;  // `last` of the latest whole chunk
        if (last > 0 && spread) close(last, chunk, slice, slice + 1);
        else if (last == end - 1) close(last, chunk, 0, slices);
    }
    // the rows after those, up to row s
    TM_ONCE void take_rest(const Line &l, int64_t s) {
        for (int64_t k = s / L * L; wanted() && k <= s; ++k)
            for (int64_t c = 0; c < channels; ++c)
                for (int64_t i = own->begin; i < own->end; ++i) *place(c, i, k) += l.row(k)[c * width + i];
    }
    TM_ONCE void finish(const Line &l) {
        take_rest(l, steps);
        const int64_t last = steps / chunk * chunk - 1;
        if (wanted() && last > 0 && spread) close(last, chunk, steps % chunk / L + 1, slices);
        if (wanted()) close(steps, steps - last, 0, slices);
    }
    // slices `from` … `to` − 1 of the terms of the chunk of row s, `count` steps; with the last one the chunk ends
    void close(int64_t s, int64_t count, int64_t from, int64_t to) {
        const int64_t whole = (count + 4 * L - 1) / (4 * L) * (4 * L), all = terms->blocks * terms->groups * pieces;
        for (int64_t k = all * from / slices; k < all * to / slices; ++k) {
            const int64_t list = k / pieces, piece = k % pieces, group = list % terms->groups;
            if (group * Terms::together < own->begin || group * Terms::together >= own->end) continue;
            const int64_t *bound = terms->bound + group * terms->blocks + list / terms->groups;
            const int64_t count = bound[1] - bound[0], end = bound[0] + count * (piece + 1) / pieces;
            for (int64_t e = bound[0] + count * piece / pieces; e < end;)
                e += some(terms->term + e, end - e, held(s), first(s), whole);
        }
        for (int64_t c = 0; c < channels && to == slices; ++c)
            for (int64_t k = own->begin * row; k < own->end * row; ++k) held(s)[c * nodes * row + k] = 0;
    }
    // of `left` terms the first four, where they lead to one node, which reads what came back to it once for all; else the
    // first: how many
    int some(const Term *e, int64_t left, const T *back, int64_t t, int64_t count) const {
        const bool four = left > 3 && e[1].to == e->to && e[2].to == e->to && e[3].to == e->to;
        bool between = to_lags;
        for (int k = 0; k < (four ? 4 : 1); ++k) between |= e[k].part != 0;
        if (four) return between ? some<4, true>(e, back, t, count) : some<4, false>(e, back, t, count);
        return between ? some<1, true>(e, back, t, count) : some<1, false>(e, back, t, count);
    }
    template <int edges, bool between> int some(const Term *e, const T *back, int64_t t, int64_t count) const {
        double near[edges] = {}, far[edges] = {};
        for (int64_t c = 0; c < channels; ++c) {
            const T *b[edges];
            for (int k = 0; k < edges; ++k) b[k] = past + (c * nodes + e[k].from) * per_node + lead + t - e[k].ago;
            correlate<edges, between>(back + (c * nodes + e->to) * row, b, count, near, far);
        }
        for (int k = 0; k < edges; ++k, ++e) {
            const double part = e->part;
            if (to_weights) to_weights[e->pair] += part != 0 ? (1 - part) * near[k] + part * far[k] : near[k];
            if (to_lags) to_lags[e->pair] += double(e->weight) * (far[k] - near[k]);
        }
        return edges;
    }
};

#endif
