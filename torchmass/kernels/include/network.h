// The time loop of a network. The generated file defines T and Step, and includes this; see exchange.h for its links.
//
// A simulation goes through time step by step: nodes send, sums arrive, nodes move, once or at every stage. Lanes are
// nodes. Delays look only at the past, which lies apart for each node (delays.h).
#ifndef TORCHMASS_NETWORK_H
#define TORCHMASS_NETWORK_H

#include "population.h"

struct Simulation : Population {
    const Graph &graph;
    Record record;
    Line line[Step::links];
    T *rings;
    const T *at[Step::arrivals ? Step::arrivals : 1];  // what arrives at this step
    V bad = V(T(0));

    TM_ONCE Simulation(const Run &r, int64_t simulation, const Graph &graph, T *memory)
        : Population(r, simulation, Step::kept), graph(graph), record(r, memory, r.path != nullptr) {
        int64_t size = 0;
        for (const tm::LinkForm &link : Step::link) size += Line::ring * link.channels * width;
        rings = new T[size + 1];
        T *ring = rings;
        for (int k = 0; k < Step::links; ++k) {
            const tm::LinkForm link = Step::link[k];
            if (!tm::delayed(link.form)) continue;
            Line &l = line[k];
            l.nodes = r.nodes, l.width = width, l.channels = link.channels, l.reach = r.reach[k], l.room = record.room;
            l.mask = record.whole ? -1 : record.rows - 1;
            l.past = record.past[k], l.rows = ring;
            ring += Line::ring * link.channels * width;
            const Edges *edges[] = {&graph.edges[k], &graph.middle[k]};
            for (l.sets = 0; l.sets <= Step::middle; ++l.sets)
                l.edges[l.sets] = edges[l.sets], l.table[l.sets] = record.table[k][l.sets];
            l.begin(r.before[k] + simulation * r.before_apart[2 * k + 1], r.before_apart[2 * k]);
        }
    }
    TM_ONCE ~Simulation() { delete[] rings; }

    void run() {
        for (int64_t v = 0; v < vectors; ++v)
            for (int s = 0; s < Step::states; ++s) take(r.x0[s], v).store(record.state(0) + s * width + v * L);
        int64_t due = r.transient, row = 0;
        for (int64_t t = 0; t < r.steps; ++t) {
            const T *x = record.state(t);
            send(t, x);
            gather(0, t);
            phases(t, x, record.state(t + 1), tm::places<Step::phases>());
            if (t == due) write(record.state(t + 1), row++), due += r.every;
        }
        finish(record.state(r.steps));
    }
    T *sent_to(int link, int channel, int64_t t) const {
        if (tm::delayed(Step::link[link].form)) return line[link].row(t) + channel * width;
        return sent + (Step::link[link].first + channel) * width;
    }
    void send(int64_t t, const T *x) {
        T *to[Step::sends ? Step::sends : 1];
        for (int k = 0; k < Step::links; ++k)
            for (int c = 0; c < Step::link[k].channels; ++c) to[Step::link[k].first + c] = sent_to(k, c, t);
        for (int64_t v = 0; v < vectors; ++v) {
            V now[Step::states], out[Step::sends ? Step::sends : 1];
            load(now, x, v, Step::states);
            Step::send(fixed(v), now, out);
            for (int k = 0; k < Step::sends; ++k) out[k].store(to[k] + v * L);
        }
        for (int64_t k = 0; k < r.tails; ++k)
            if (t >= r.steps - r.tail_rows[k]) keep_tail(k, x, t - (r.steps - r.tail_rows[k]));
        for (int k = 0; k < Step::links; ++k)
            if (tm::delayed(Step::link[k].form)) line[k].push(t);
    }
    TM_ONCE void keep_tail(int64_t k, const T *x, int64_t row) {
        for (int64_t v = 0; v < vectors; ++v) {
            V now[Step::states + Step::outputs];
            load(now, x, v, Step::states);
            Step::output(fixed(v), now, now + Step::states);
            put(r.tail[k] + row * r.lanes, v, now[r.tail_of[k]]);
        }
    }
    // what arrives at a stage
    void gather(int level, int64_t t) {
        T *own = record.arrived(t);
        for (int k = 0; k < Step::arrivals; ++k) {
            const tm::ArrivalForm a = Step::arrival[k];
            const int form = Step::link[a.link].form;
            T *to = own;
            own += form == tm::late ? 0 : width;
            if (a.level != level) continue;
            const T *from = a.later < 0 ? sent_to(a.link, a.channel, t) : later + a.later * width;
            if (form == tm::total) sum_up(from, to);
            if (form == tm::dense) product(graph.matrix[a.link], width, r.nodes, from, to, vectors);
            if (form == tm::sparse) graph.sparse[a.link].product(from, to, 0, vectors);
            if (form == tm::mixed) soon(a, t, from, to);
            at[k] = form == tm::late ? arriving(a, t) : to;
        }
    }
    void sum_up(const T *from, T *to) const {
        double sum = 0;
        for (int64_t j = 0; j < r.nodes; ++j) sum += double(from[j]);
        for (int64_t v = 0; v < vectors; ++v) V(T(sum)).store(to + v * L);
    }
    const T *arriving(const tm::ArrivalForm &a, int64_t t) const {
        return line[a.link].out(a.c == 0.5, t + (a.c == 1)) + a.channel * width;
    }
    // the same with connections that are shorter than the stage needs
    void soon(const tm::ArrivalForm &a, int64_t t, const T *stage, T *to) const {
        const T *past = arriving(a, t);
        const Shorts &shorts = graph.shorts[a.link];
        for (int64_t i = 0; i < width; i += L) {
            V sum = V::load(past + i);
            if (shorts.self) sum += V::load(shorts.self + i) * V::load(stage + i);
            sum.store(to + i);
        }
        const Line &l = line[a.link];
        const int64_t skip = a.channel * width;
        for (int64_t k = 0; k < shorts.count; ++k) {
            const Short &e = shorts.all[k];
            const Reading read = e.at[Short::place(a.c)];
            const T now = l.row(t - (read.back < 0 ? 0 : read.back))[skip + e.from];
            const T other = read.back < 0 ? stage[e.from] : l.row(t - read.back - 1)[skip + e.from];
            to[e.to] += e.weight * (read.part ? now + read.part * (other - now) : now);  // what is not read may be no number
        }
        for (int64_t i = r.nodes; i < width; ++i) to[i] = to[r.nodes - 1];
    }
    template <int... p> void phases(int64_t t, const T *x, T *next, tm::Places<p...>) {
        (phase<p>(t, x, next), ...);
    }
    template <int p> void phase(int64_t t, const T *x, T *next) {
        if (p) gather(p, t);
        for (int64_t v = 0; v < vectors; ++v) {
            V now[Step::states], a[Step::arrivals + 1], c[Step::kept + 1], s[Step::later + 1];
            load(now, x, v, Step::states), load(c, kept, v, Step::kept);
            for (int k = 0; k < Step::arrivals; ++k)
                if (Step::arrival[k].level <= p) a[k] = V::load(at[k] + v * L);
            if (p == 0) feed[v].to(r, t);
            Step::phase(tm::Phase<p>(), fixed(v), now, &feed[v].u[0], &feed[v].z[0], a, c, s);
            if (p == Step::phases - 1) save(next, v, now, Step::states);
            else save(kept, v, c, Step::kept);
            for (int k = 0; k < Step::arrivals; ++k)
                if (Step::arrival[k].level == p + 1 && Step::arrival[k].later >= 0)
                    s[Step::arrival[k].later].store(later + Step::arrival[k].later * width + v * L);
        }
    }
    void write(const T *x, int64_t row) {
        for (int64_t v = 0; v < vectors; ++v) {
            V now[Step::states + Step::outputs];
            load(now, x, v, Step::states);
            if (r.out[Step::states]) Step::output(fixed(v), now, now + Step::states);
            for (int k = 0; k < Step::states + Step::outputs; ++k)
                if (r.out[k]) put(r.out[k] + row * r.lanes, v, now[k]), bad += now[k] * V(T(0));
        }
    }
    TM_ONCE void finish(const T *x) {
        for (int64_t v = 0; v < vectors; ++v)
            for (int s = 0; s < Step::states; ++s) {
                const V value = V::load(x + s * width + v * L);
                put(r.end[s], v, value), bad += value * V(T(0));
            }
        r.found(bad);
        if (record.whole)  // what is not there yet counts nothing
            for (int k = 0; k < Step::links; ++k)
                if (tm::delayed(Step::link[k].form)) clear_rest(line[k]);
    }
    TM_ONCE void clear_rest(Line &l) const {
        for (int64_t t = r.steps / Line::half * Line::half; t < r.steps; ++t)
            for (int64_t c = 0; c < l.channels; ++c)
                for (int64_t j = 0; j < r.nodes; ++j) *l.sent(c, j, t) = l.row(t)[c * width + j];
        for (int64_t k = 0; k < l.channels * r.nodes; ++k)
            for (int64_t t = r.steps; t < l.room; ++t) *l.sent(0, k, t) = 0;
    }
};

TM_EXPORT void forward(const Run &r) {
    const bool common = shared(r);
    const int64_t count = r.lanes / r.nodes, size = record_size(r, r.path != nullptr);
    Graph *all = common ? new Graph(r, 0, false) : nullptr;
    tm::spread(r.team, r.threads, count, [&](int64_t from, int64_t to, int) {
        T *memory = r.path ? nullptr : new T[size];
        for (int64_t simulation = from; simulation < to; ++simulation) {
            Graph *own = common ? nullptr : new Graph(r, simulation, false);
            Simulation(r, simulation, common ? *all : *own, r.path ? r.path + simulation * size : memory).run();
            delete own;
        }
        delete[] memory;
    });
    delete all;
}

#endif
