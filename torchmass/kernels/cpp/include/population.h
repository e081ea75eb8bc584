// One simulation of a network, as one of those who share it sees it, and the work on all simulations.
#ifndef TORCHMASS_POPULATION_H
#define TORCHMASS_POPULATION_H

#include "crew.h"
#include "graph.h"
#include "lane.h"
#include "record.h"

// What one simulation has: constants and noise of its nodes, and what is written down of it.
//
// Threads that share it each take some nodes, and meet where one reads what another sent. Where they would meet at nearly
// every step, there are two: the first takes all steps, the other what can be done apart from these (`Run::early`). That is
// the noise, which is written down for the way back, and sums over what was sent some time ago, a vector of steps before
// they are needed, and on the way back slopes of steps before, and gradients of weights and delays some steps later. They
// meet once in a vector of steps, or in a tile.
struct Population {
    const Run &r;
    const Graph &graph;
    const Record record;
    tm::Member &member;
    const int64_t simulation, vectors, width, first;  // `first` lane of all simulations
    const int live;                                   // lanes of the last vector
    Own own, early;  // whose steps are taken here, and whose sums over what was sent some steps before
    int64_t moment = 0;  // the step
    Constants *constants;
    Feed *feed;
    const Held held;  // of the nodes that are own

    TM_ONCE Population(const Run &r, int64_t simulation, const Graph &graph, const Record &record, tm::Member &member,
                       const Held &held)
        : r(r), graph(graph), record(record), member(member), simulation(simulation),
          vectors((r.nodes + L - 1) / L), width(row_width(r.nodes)), first(simulation * r.nodes),
          live(int(r.nodes - (vectors - 1) * L)),
          own(r.early ? Own(r.nodes, 0, !member.rank) : Own(r.nodes, member.rank, member.size)),
          early(r.early && member.size > 1 ? Own(r.nodes, 0, member.rank) : own),
          constants(new Constants[vectors]), feed(new Feed[vectors]), held(held) {
        const Own &mine = own.some() ? own : early;
        open(mine.from, mine.to);
        member.patient = !own.some();
    }
    TM_ONCE ~Population() {
        delete[] constants;
        delete[] feed;
    }
    TM_ONCE void open(int64_t from, int64_t to) {
        for (int64_t v = from; v < to; ++v) {
            const Lanes lanes = Lanes::of(r, simulation, v);
            constants[v].open(r, lanes);
            feed[v].open(r, lanes);
        }
    }
    // draws the normals of steps `from` … `to` − 1, of those that there are, before they are needed
    void draw(int64_t from, int64_t to) {
        for (int64_t v = early.from; Step::drives && v < early.to; ++v)
            for (int64_t t = from; t < Own::least(to, r.steps); ++t) {
                feed[v].draw(r, t);
                for (int d = 0; d < Step::drives; ++d) feed[v].z[d].store(record.normals(v, t) + d * L);
            }
    }
    // where the normals of a step are, and those of one that comes soon; null where each draws its own
    struct Normals { const T *now, *soon; };
    TM_ALWAYS Normals normals(int64_t t, int64_t soon) const {
        return r.early ? Normals{record.normals(0, t), record.normals(0, soon)} : Normals{nullptr, nullptr};
    }
    // Gives vector v what it has in phase p of step t, of which the normals are returned; those that come soon are asked
    // for. They are read where they lie, in whole lines of the cache: a copy costs 2 % of a run.
    template <int p> TM_ALWAYS const V *give(int64_t v, int64_t t, Normals drawn) {
        if (p == 0 && !drawn.now) feed[v].to(r, t);
        else if (p == 0) feed[v].read(t);
        if (!drawn.now) return &feed[v].z[0];
        const int64_t place = v * Step::drives * L;
        for (int d = 0; p == 0 && d < Step::drives; ++d) __builtin_prefetch(drawn.soon + place + d * L);
        return reinterpret_cast<const V *>(drawn.now + place);
    }
    // What others wrote before is there after. Where they part, all work goes on in the first, the others have none.
    void meet() {
        if (member.size > 1 && member.meet()) separate();
    }
    TM_ONCE void separate() {
        const int64_t begun = own.to, members = member.size;
        member.size = 1;
        own = early = Own(r.nodes, member.rank, 1);
        if (!own.some()) return;
        open(begun, vectors);
        for (int64_t v = begun; v < vectors; ++v) feed[v].to(r, moment);
        for (int64_t rank = 1; rank < members && !r.early; ++rank) held.take_over(rank, Own(r.nodes, rank, members));
    }
    // what was sent up to step t − 1 reaches the sums of step t
    void push(Line &l, int64_t t) {
        l.turn_to(t);
        if (l.reads(t)) meet();
        if (l.apart && t % L == 0) l.turn_in(Count<L>(), l.past, early, t - L);
        l.complete(t);
        if (l.apart && l.brief.full(t)) l.brief.roll(own);
        if (!l.past.full(t)) return;
        if (!l.apart) meet();
        l.past.roll(early);
        if (!l.apart) meet();
    }
    const Step::Fixed &fixed(int64_t v) const { return constants[v].q; }
    int lanes(int64_t v) const { return v == vectors - 1 ? live : L; }
    // a row of a tensor over all lanes, as one vector of this simulation has it; the last lane repeated
    TM_ALWAYS V take(const T *row, int64_t v) const { return ::load(row + first + v * L, lanes(v)); }
    void put(T *row, int64_t v, V values) const { store(row + first + v * L, values, lanes(v)); }
    // the sum over all nodes, for each
    void sum_up(const T *from, T *to) const {
        if (!own.some()) return;
        double sum = 0;
        for (int64_t j = 0; j < r.nodes; ++j) sum += double(from[j]);
        for (int64_t v = own.from; v < own.to; ++v) V(T(sum)).store(to + v * L);
    }
    // `count` values of vector v, which lie a row of all nodes apart
    TM_ALWAYS static void add(T *to, V value) { (V::load(to) + value).store(to); }
    TM_ALWAYS void load(V *to, const T *from, int64_t v, int count) const {
        for (int k = 0; k < count; ++k) to[k] = V::load(from + k * width + v * L);
    }
    TM_ALWAYS void save(T *to, int64_t v, const V *from, int count) const {
        for (int k = 0; k < count; ++k) from[k].store(to + k * width + v * L);
    }
};

#endif
