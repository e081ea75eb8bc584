// One simulation of a network on its way back: the exact derivative of its discrete steps.
//
// The forward loop wrote down the states before every step and all that arrived; with these a step is a matter of each
// node alone. What a node sent has its gradient from those that it reached (back_links.h).
#ifndef TORCHMASS_SIMULATION_BACK_H
#define TORCHMASS_SIMULATION_BACK_H

#include "slopes.h"

struct SimulationBack : Slopes {
    const T *at[Step::arrivals + 1];  // what arrived at this step
    int64_t row, due;
    bool lost = false;

    TM_ONCE SimulationBack(const Run &r, int64_t simulation, const Graph &graph, T *base, tm::Member &member, int64_t copy)
        : Slopes(r, simulation, graph, base, member, copy),
          row(r.steps > r.transient ? (r.steps - 1 - r.transient) / r.every : -1), due(r.transient + row * r.every) {}

    // up to where nodes of others are read
    void start(int64_t t) {
        moment = t;
        if (t == due) {
            recorded(t);
            --row, due = row < 0 ? -1 : due - r.every;
        }
        if (!lost) watch(t);
        read(t);
        foresee(t - 6);
    }
    // from where all sums have come back
    void end(int64_t t) {
        for (int k = 0; k < Step::links; ++k)
            if (sets(k)) late_back(k, t);
        send_back(t);
        for (int64_t k = 0; k < r.tails; ++k)
            if (t >= r.steps - r.tail_rows[k] && r.g_tail[k]) tail(k, t);
        if (r.horizon && t % r.horizon == 0 && t > 0) cut(t);
        if (t % tile == 0) flush(t);
    }
    // what was written down of a step before this one is asked for in time: it has left the nearer caches
    TM_ALWAYS void foresee(int64_t t) {
        if (t < 0) return;
        for (int64_t i = first_own() * L; i < own.to * L; i += line_of_cache) {
            for (int s = 0; s < Step::states; ++s) __builtin_prefetch(record.state(t) + s * width + i);
            for (int k = 0; k < Step::arrivals; ++k) __builtin_prefetch(at[k] + i - 6 * far_apart(k));
        }
    }
    // gradients of the recorded row of step t
    void recorded(int64_t t) {
        const T *x = record.state(t + 1);
        for (int64_t v = own.from; v < own.to; ++v) {
            for (int s = 0; s < Step::states; ++s)
                if (r.g_out[s]) add(g + s * width + v * L, take(r.g_out[s] + row * r.lanes, v));
            if (const T *given = r.g_out[Step::states]) output_back(x, v, take(given + row * r.lanes, v));
        }
        for (int s = 0; s <= Step::states; ++s)  // of rows before this one; torch has left them in the farther caches
            for (int64_t i = own.from * L; r.g_out[s] && row > 6 && i < own.to * L; i += line_of_cache)
                __builtin_prefetch(r.g_out[s] + (row - 6) * r.lanes + first + i);
    }
    // notes the last step after which the gradient of a state is not finite
    void watch(int64_t t) {
        V sums(T(0));
        for (int s = 0; s < Step::states; ++s)
            for (int64_t v = own.from; v < own.to; ++v) sums += V::load(g + s * width + v * L) * V(T(0));
        lost = !all_finite(sums);
        if (lost) note(t);
    }
    TM_ONCE void note(int64_t t) {
        for (int state = 0; state < Step::states; ++state)
            for (int64_t i = own.begin; i < own.end; ++i)
                if (const T found = g[state * width + i]; found - found != 0) r.lose(t, state);
    }
    // what arrived in step t
    void read(int64_t t) {
        for (int k = 0; k < Step::arrivals; ++k) {
            const tm::ArrivalForm a = Step::arrival[k];
            const int64_t row = (t + (a.c == 1)) * Step::link[a.link].channels + a.channel;
            const bool late = Step::link[a.link].form == tm::late;
            at[k] = late ? record.table[a.link][a.c == 0.5] + row * width : record.arrived(t, k);
        }
    }
    int64_t far_apart(int k) const {
        const tm::LinkForm link = Step::link[Step::arrival[k].link];
        return (link.form == tm::late ? link.channels : own_arrivals()) * width;
    }
    template <int p> void phase(int64_t t) {
        constexpr int last = Step::phases - 1;
        if constexpr (has_slopes) step_back_foretold(t), step_back(t);
        else phase_of_all<p>(t);
        if (graph.waits(last - p)) meet();
    }
    template <int p> void phase_of_all(int64_t t) {
        const T *x = record.state(t);
        const Normals drawn = normals(t, t - 6);
        constexpr int last = Step::phases - 1;
        for (int64_t v = own.from; v < own.to; ++v) {
            V now[Step::states], back[Step::states], a[Step::arrivals + 1], found[Step::arrivals + 1];
            V later_now[Step::later + 1], given[Step::later + 1], c[Step::kept_back + 1], sums[Step::sums + 1];
            V inputs[Step::timed + 1];
            load(now, x, v, Step::states), load(back, g, v, Step::states), load(sums, part, v, Step::sums);
            load(given, later_back, v, Step::later), load(c, kept, v, Step::kept_back);
            for (int k = 0; k < Step::arrivals; ++k) a[k] = V::load(at[k] + v * L);
            const V *z = give<p>(v, t, drawn);
            Step::back(tm::Phase<p>(), fixed(v), now, &feed[v].u[0], z, a, given, back, found, inputs, later_now, c, sums);
            if (p == 0) save(later, v, later_now, Step::later);
            for (int k = 0; k < Step::arrivals; ++k)
                if (Step::arrival[k].level == last - p) found[k].store(returning(k, t) + v * L);
            if (p < last) save(kept, v, c, Step::kept_back);
            else {
                save(g, v, back, Step::states);
                for (int k = 0; k < Step::timed; ++k) put(r.each[k] + t * r.lanes, v, inputs[k]);
            }
            save(part, v, sums, Step::sums);
        }
    }
    void send_back(int64_t t) {
        for (int k = 0; k < Step::links; ++k)
            for (int c = 0; c < Step::link[k].channels && sets(k); ++c) {
                T *to = sent_back + (Step::link[k].first + c) * width, *over = carry(k, t) + c * width;
                for (int64_t i = own.from * L; i < own.to * L; ++i) to[i] = over[i], over[i] = 0;
                for (int set = 0; set < sets(k); ++set)
                    for (int64_t i = own.from * L; i < own.to * L; i += L)
                        add(to + i, V::load(line[k][set].out(0, r.steps - t) + c * width + i));
            }
        for (int64_t v = own.from; v < own.to; ++v) {
            V now[Step::states], back[Step::states], sums[Step::sums + 1], given[Step::sends + 1];
            load(now, record.state(t), v, Step::states), load(back, g, v, Step::states);
            load(given, sent_back, v, Step::sends);
            load(sums, sent_part, v, Step::sums);
            Step::send_back(fixed(v), now, given, back, sums);
            save(g, v, back, Step::states), save(sent_part, v, sums, Step::sums);
        }
    }
    TM_ONCE void tail(int64_t k, int64_t t) {
        const T *given = r.g_tail[k] + (t - (r.steps - r.tail_rows[k])) * r.lanes;
        for (int64_t v = own.from; v < own.to; ++v)
            if (r.tail_of[k] == Step::states) output_back(record.state(t), v, take(given, v));
            else add(g + r.tail_of[k] * width + v * L, take(given, v));
    }
    // gradients are not carried back beyond step t
    TM_ONCE void cut(int64_t t) {
        meet();
        own.clear(g, Step::states, width);
        forget(t);
    }
    // what has been added up goes on in double; `t` is a multiple of a tile
    void flush(int64_t t) {
        flush(sent_sum, sent_part, own.from, own.to);
        flush(sum, part, first_own(), own.to);
        if (!any_late() && graph.apart) meet();
        if constexpr (has_slopes) {
            settle(t, Own::least(t + tile, r.steps));
            flush(sum, part, early.from, last_early());
            foretell(t - 2 * tile, t - tile);
        }
        sum_weights(t);
    }
    void flush(double *to, T *from, int64_t first, int64_t last) {
        for (int k = 0; k < Step::sums; ++k)
            for (int64_t i = k * width + first * L; i < k * width + last * L; ++i) to[i] += double(from[i]), from[i] = 0;
    }
    TM_ONCE void finish() {
        for (int k = 0; k < Step::links; ++k)
            if (sets(k) && r.g_before[k]) before_back(k);
        if (foretold) meet();
        for (int64_t v = own.from; v < own.to; ++v) {
            for (int s = 0; s < Step::states; ++s) put(r.g_x0[s], v, V::load(g + s * width + v * L));
            for (int l = 0; l < lanes(v); ++l) {
                double total[Step::sums + 1], found[Step::wanted + 1];
                for (int k = 0; k < Step::sums; ++k) total[k] = sum[k * width + v * L + l] + sent_sum[k * width + v * L + l];
                Step::close(constants[v].leaf[l], r.dt, total, found);
                for (int k = 0; k < Step::wanted; ++k) r.sums[k * r.lanes + first + v * L + l] = found[k];
            }
        }
    }
};

#endif
