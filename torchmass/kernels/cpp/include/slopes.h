// Steps of one state on their way back. What comes out of such a step is what came times slopes, and these are known before
// anything comes: where two threads share a simulation, one finds those of some nodes while the other is at the tile of
// steps after these, which has products alone for them.
#ifndef TORCHMASS_SLOPES_H
#define TORCHMASS_SLOPES_H

#include "back_links.h"

struct Slopes : BackLinks {
    const int64_t foretold;  // vectors

    TM_ONCE Slopes(const Run &r, int64_t simulation, const Graph &graph, T *base, tm::Member &member, int64_t copy)
        : BackLinks(r, simulation, graph, base, member, copy), foretold(to_foretell()) {
        if (!foretold) return;
        const int64_t last = (r.steps - 1) / tile * tile;
        foretell(last, r.steps);
        meet();
        foretell(last - tile, last);
    }
    // two thirds where the other thread sums gradients of weights as well: both take about as long then (84 to 300 nodes)
    TM_ONCE int64_t to_foretell() const {
        bool sums = false;
        for (int k = 0; k < Step::arrivals; ++k) sums |= gradient(k);
        return !has_slopes || !graph.apart ? 0 : sums ? (2 * vectors + 2) / 3 : vectors;
    }
    int64_t first_own() const { return own.from < foretold ? Own::least(foretold, own.to) : own.from; }
    int64_t last_early() const { return Own::least(foretold, early.to); }
    T *slope(int64_t t, int k) const { return slopes + ((t & (2 * tile - 1)) * slopes_of_step + k) * width; }
    T *came_back(int64_t t) const { return came + (t & (2 * tile - 1)) * width; }

    // of vector v at step t: of its state, of what arrived, of sums, of inputs
    TM_ALWAYS void find(int64_t v, int64_t t, V *found) {
        V now[Step::states], back[Step::states], a[Step::arrivals + 1], to[Step::arrivals + 1], inputs[Step::timed + 1];
        V sums[Step::sums + 1], none[1];
        load(now, record.state(t), v, Step::states);
        for (int k = 0; k < Step::arrivals; ++k) a[k] = V::load(record.arrived(t, k) + v * L);
        for (int k = 0; k < Step::sums; ++k) sums[k] = V(T(0));
        const V *z = give<0>(v, t, normals(t, t - 6));
        back[0] = V(T(1));
        Step::back(tm::Phase<0>(), fixed(v), now, &feed[v].u[0], z, a, none, back, to, inputs, none, none, sums);
        *found++ = back[0];
        for (int k = 0; k < Step::arrivals; ++k) *found++ = to[k];
        for (int k = 0; k < Step::sums; ++k) *found++ = sums[k];
        for (int k = 0; k < Step::timed; ++k) *found++ = inputs[k];
    }
    // what goes on from `back` to the state and to what arrived
    TM_ALWAYS void carry_on(int64_t v, int64_t t, V back, const V *found) {
        (found[0] * back).store(g + v * L);
        for (int k = 0; k < Step::arrivals; ++k) (found[1 + k] * back).store(returning(k, t) + v * L);
    }
    // and to the parameters
    TM_ALWAYS void add_up(int64_t v, int64_t t, V back, const V *found, V *sums) {
        for (int k = 0; k < Step::sums; ++k) sums[k] = tm::fma(*found++, back, sums[k]);
        for (int k = 0; k < Step::timed; ++k) put(r.each[k] + t * r.lanes, v, *found++ * back);
    }
    // a step of those whose slopes are not known
    void step_back(int64_t t) {
        for (int64_t v = first_own(); v < own.to; ++v) {
            V found[slopes_of_step], sums[Step::sums + 1];
            const V back = V::load(g + v * L);
            load(sums, part, v, Step::sums);
            find(v, t, found);
            carry_on(v, t, back, found);
            add_up(v, t, back, found + 1 + Step::arrivals, sums);
            save(part, v, sums, Step::sums);
        }
    }
    // and of the others; what came is kept for those who add it up
    void step_back_foretold(int64_t t) {
        for (int64_t v = own.from; v < first_own(); ++v) {
            const V back = V::load(g + v * L);
            V found[1 + Step::arrivals];
            load(found, slope(t, 0), v, 1 + Step::arrivals);
            for (int k = 0; k <= Step::arrivals; ++k) __builtin_prefetch(slope(t - 4, k) + v * L);
            back.store(came_back(t) + v * L);
            carry_on(v, t, back, found);
        }
    }
    // finds those of steps `from` … `to` − 1
    void foretell(int64_t from, int64_t to) {
        for (int64_t v = early.from; v < last_early(); ++v)
            for (int64_t t = from < 0 ? 0 : from; t < to; ++t) {
                V found[slopes_of_step];
                find(v, t, found);
                for (int k = 0; k < slopes_of_step; ++k) found[k].store(slope(t, k) + v * L);
            }
    }
    // adds up what came back in these
    void settle(int64_t from, int64_t to) {
        constexpr int first = 1 + Step::arrivals, count = slopes_of_step - first;
        for (int64_t v = early.from; v < last_early(); ++v) {
            V sums[Step::sums + 1];
            load(sums, part, v, Step::sums);
            for (int64_t t = to - 1; t >= from; --t) {
                V found[count + 1];
                load(found, slope(t, first), v, count);
                add_up(v, t, V::load(came_back(t) + v * L), found, sums);
            }
            save(part, v, sums, Step::sums);
        }
    }
};

#endif
