// What one simulation of a network has on its way back through time.
#ifndef TORCHMASS_WAY_BACK_H
#define TORCHMASS_WAY_BACK_H

#include "back_desk.h"
#include "population.h"

struct WayBack : BackDesk, Population {
    const int64_t copy;         // of the gradients of weights and delays
    Line line[Step::links][2];  // of what comes back to those who sent it, time running backwards
    Correlation correlation[Step::links][2];

    TM_ONCE WayBack(const Run &r, int64_t simulation, const Graph &graph, T *base, tm::Member &member, int64_t copy)
        : BackDesk(r, base, member.rank),
          Population(r, simulation, graph, written(r, simulation), member, BackDesk::held), copy(copy) {
        for (int64_t k = size * member.rank / member.size; k < size * (member.rank + 1) / member.size; ++k) base[k] = 0;
        meet();
        for (int64_t v = own.from; v < own.to; ++v)
            for (int s = 0; s < Step::states; ++s)
                (r.g_end[s] ? take(r.g_end[s], v) : V(T(0))).store(g + s * width + v * L);
        for (int k = 0; k < Step::links; ++k)
            for (int set = 0; set < sets(k); ++set) open(k, set);
    }
    using Population::take;
    TM_ONCE static Record written(const Run &r, int64_t simulation) {
        return Record(r, r.path + simulation * record_size(r, true), true);
    }
    bool gradient(int arrival) const { return r.g_weights[Step::arrival[arrival].link]; }
    double *weights(int link) const {
        return r.g_weights[link] ? r.g_weights[link] + copy * r.counts[link] : nullptr;
    }
    double *lags(int link) const { return r.g_lags[link] ? r.g_lags[link] + copy * r.counts[link] : nullptr; }

    // what comes back from an arrival of step t
    T *returning(int arrival, int64_t t) const { return returned + ((t & (turns - 1)) * Step::arrivals + arrival) * width; }
    T *carry(int link, int64_t t) const { return carried[link] + (t & 3) * Step::link[link].channels * width; }
    T sent_at(int link, int64_t channel, int64_t node, int64_t t) const {
        return record.past[link][(channel * r.nodes + node) * (lead_of(r, link) + record.room) + lead_of(r, link) + t];
    }
    void output_back(const T *x, int64_t v, V given) {
        V now[Step::states], back[Step::states], sums[Step::sums + 1];
        load(now, x, v, Step::states), load(back, g, v, Step::states), load(sums, sent_part, v, Step::sums);
        Step::output_back(fixed(v), now, given, back, sums);
        save(g, v, back, Step::states), save(sent_part, v, sums, Step::sums);
    }
    TM_ONCE void open(int k, int set) {
        Line &l = line[k][set];
        l.open(r, k, places[k][set], room, false, graph.reads_rows(k));
        l.serve(own, early, graph.apart);
        l.add(graph.edges[k][set]);
        Correlation &c = correlation[k][set];
        c.own = &early, c.terms = &graph.terms[k][set];
        c.spread = graph.apart;
        c.pieces = r.early ? 1 + 2 * Correlation::slices / (c.terms->groups * c.terms->blocks + 1) : 1;
        c.nodes = r.nodes, c.channels = l.channels, c.width = width, c.steps = r.steps, c.lead = lead_of(r, k);
        c.per_node = c.lead + record.room, c.past = record.past[k];
        c.to_weights = weights(k), c.to_lags = lags(k), c.back = correlated[k][set];
    }
};

#endif
