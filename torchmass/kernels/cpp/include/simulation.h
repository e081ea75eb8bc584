// One simulation of a network on its way through time: nodes send, sums arrive, nodes move, once or at every stage. Lanes
// are nodes. Delays look only at the past, which lies apart for each node (line.h).
#ifndef TORCHMASS_SIMULATION_H
#define TORCHMASS_SIMULATION_H

#include "population.h"

struct Simulation : Desk, Population {
    Line line[Step::links];
    const T *at[Step::arrivals ? Step::arrivals : 1];  // what arrives at this step
    V bad = V(T(0));

    TM_ONCE Simulation(const Run &r, int64_t simulation, const Graph &graph, T *memory, T *base, tm::Member &member)
        : Desk(r, base, member.rank),
          Population(r, simulation, graph, Record(r, memory, r.path != nullptr, Desk::held), member, Desk::held) {
        for (int k = 0; k < Step::links; ++k) {
            if (!sets(k)) continue;
            Line &l = line[k];
            places[k].whole_past = record.past[k];
            for (int set = 0; set < sets(k); ++set) places[k].table[set] = record.table[k][set], l.add(graph.edges[k][set]);
            l.open(r, k, places[k], record.room, record.whole, graph.reads_rows(k));
            l.serve(own, early, graph.apart);
            l.begin(r.before[k] + simulation * r.before_apart[2 * k + 1], r.before_apart[2 * k]);
        }
    }
    using Population::take;
    TM_ONCE void start() {
        meet();
        for (int k = 0; graph.apart && k < Step::links; ++k)
            if (sets(k)) line[k].prepare(0);
        if (r.early) {
            draw(0, L - 1);
            meet();
            draw(L - 1, 2 * L - 1);
        }
        for (int k = 0; k < Step::links; ++k)
            if (tm::delayed(Step::link[k].form)) line[k].complete(0);
        for (int64_t v = own.from; v < own.to; ++v)
            for (int s = 0; s < Step::states; ++s) take(r.x0[s], v).store(record.state(0) + s * width + v * L);
    }
    T *sent_to(int link, int channel, int64_t t) const {
        if (tm::delayed(Step::link[link].form)) return line[link].row(t) + channel * width;
        return sent[t & 1] + (Step::link[link].first + channel) * width;
    }
    T *later_to(int place, int64_t t) const { return later[t & 1] + place * width; }
    void send(int64_t t) {
        moment = t;
        const T *x = record.state(t);
        T *to[Step::sends ? Step::sends : 1];
        for (int k = 0; k < Step::links; ++k)
            for (int c = 0; c < Step::link[k].channels; ++c) to[Step::link[k].first + c] = sent_to(k, c, t);
        for (int64_t v = own.from; v < own.to; ++v) {
            V now[Step::states], out[Step::sends ? Step::sends : 1];
            load(now, x, v, Step::states);
            Step::send(fixed(v), now, out);
            for (int k = 0; k < Step::sends; ++k) out[k].store(to[k] + v * L);
        }
        for (int64_t k = 0; k < r.tails; ++k)
            if (t >= r.steps - r.tail_rows[k]) keep_tail(k, x, t - (r.steps - r.tail_rows[k]));
        for (int k = 0; k < Step::links; ++k)
            if (tm::delayed(Step::link[k].form)) push(line[k], t + 1);
        if (!r.early || (t + 1) % L) return;
        if (!any_late()) meet();
        draw(t + L, t + 2 * L);  // up to step t + L − 1 they are there
    }
    TM_ONCE void keep_tail(int64_t k, const T *x, int64_t row) {
        for (int64_t v = own.from; v < own.to; ++v) {
            V now[Step::states + Step::outputs];
            load(now, x, v, Step::states);
            Step::output(fixed(v), now, now + Step::states);
            put(r.tail[k] + row * r.lanes, v, now[r.tail_of[k]]);
        }
    }
    // what was sent for an arrival
    const T *sent_for(int k, int64_t t) const {
        const tm::ArrivalForm a = Step::arrival[k];
        return a.later < 0 ? sent_to(a.link, a.channel, t) : later_to(a.later, t);
    }
    // what arrives; a product with the weights is there already
    void arrive(int k, int64_t t) {
        const tm::ArrivalForm a = Step::arrival[k];
        const int form = Step::link[a.link].form;
        const T *from = sent_for(k, t);
        T *to = record.arrived(t, k);
        if (form == tm::total) sum_up(from, to);
        if (form == tm::sparse) graph.sparse[a.link].product(from, to, own.from, own.to);
        if (form == tm::mixed) soon(a, t, from, to);
        at[k] = form == tm::late ? arriving(a, t) : to;
    }
    const T *arriving(const tm::ArrivalForm &a, int64_t t) const {
        return line[a.link].out(a.c == 0.5, t + (a.c == 1)) + a.channel * width;
    }
    // the same with connections that are shorter than the stage needs
    void soon(const tm::ArrivalForm &a, int64_t t, const T *stage, T *to) const {
        const T *past = arriving(a, t);
        const Shorts &shorts = graph.shorts[a.link];
        for (int64_t i = own.from * L; i < own.to * L; i += L) {
            V sum = V::load(past + i);
            if (shorts.self) sum += V::load(shorts.self + i) * V::load(stage + i);
            sum.store(to + i);
        }
        const Line &l = line[a.link];
        const int64_t skip = a.channel * width;
        for (int64_t k = shorts.bound[own.begin]; k < shorts.bound[own.end]; ++k) {
            const Short &e = shorts.all[k];
            const Reading read = e.at[Short::place(a.c)];
            const T now = l.row(t - (read.back < 0 ? 0 : read.back))[skip + e.from];
            const T other = read.back < 0 ? stage[e.from] : l.row(t - read.back - 1)[skip + e.from];
            to[e.to] += e.weight * (read.part ? now + read.part * (other - now) : now);  // what is not read may be no number
        }
        for (int64_t i = own.end; i < own.to * L; ++i) to[i] = to[r.nodes - 1];
    }
    template <int p> void phase(int64_t t) {
        const T *x = record.state(t);
        T *next = record.state(t + 1);
        const Normals drawn = normals(t, t + 4);
        for (int64_t v = own.from; v < own.to; ++v) {
            V now[Step::states], a[Step::arrivals + 1], c[Step::kept + 1], s[Step::later + 1];
            load(now, x, v, Step::states), load(c, kept, v, Step::kept);
            for (int k = 0; k < Step::arrivals; ++k)
                if (Step::arrival[k].level <= p) a[k] = V::load(at[k] + v * L);
            const V *z = give<p>(v, t, drawn);
            Step::phase(tm::Phase<p>(), fixed(v), now, &feed[v].u[0], z, a, c, s);
            if (p == Step::phases - 1) save(next, v, now, Step::states);
            else save(kept, v, c, Step::kept);
            for (int k = 0; k < Step::arrivals; ++k)
                if (Step::arrival[k].level == p + 1 && Step::arrival[k].later >= 0)
                    s[Step::arrival[k].later].store(later_to(Step::arrival[k].later, t) + v * L);
        }
    }
    // row `row` of what is recorded, after step t
    void write(int64_t t, int64_t row) {
        const T *x = record.state(t + 1);
        for (int64_t v = own.from; v < own.to; ++v) {
            V now[Step::states + Step::outputs];
            load(now, x, v, Step::states);
            if (r.out[Step::states]) Step::output(fixed(v), now, now + Step::states);
            for (int k = 0; k < Step::states + Step::outputs; ++k)
                if (r.out[k]) put(r.out[k] + row * r.lanes, v, now[k]), bad += now[k] * V(T(0));
        }
    }
    TM_ONCE void finish() {
        const T *x = record.state(r.steps);
        for (int64_t v = own.from; v < own.to; ++v)
            for (int s = 0; s < Step::states; ++s) {
                const V value = V::load(x + s * width + v * L);
                put(r.end[s], v, value), bad += value * V(T(0));
            }
        r.found(bad);
        if (r.early) meet();
        if (record.whole)  // what is not there yet counts nothing
            for (int k = 0; k < Step::links; ++k)
                if (tm::delayed(Step::link[k].form)) clear_rest(line[k]);
    }
    TM_ONCE void clear_rest(Line &l) const {
        l.past.each(early, [&](int64_t c, int64_t j) {
            for (int64_t t = r.steps / L * L; t < l.past.room; ++t)
                *l.past.at(c, j, t) = t < r.steps ? l.row(t)[c * width + j] : T(0);
        });
    }
};

#endif
