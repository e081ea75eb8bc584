// Simulations that one thread takes through time together, step by step, so that it reads the weights once for all.
#ifndef TORCHMASS_FELLOWS_H
#define TORCHMASS_FELLOWS_H

#include "population.h"

// What a thread is given: simulations, and `size` numbers of memory for each. `place` is the place of its own among the
// threads, or where a crew takes one simulation that of this one.
struct Share {
    const Graph &graph;
    tm::Member &member;
    T *memory;
    int64_t size, first, place;
    int count;
};

template <class One> struct Fellows {
    const Run &r;
    const Graph &graph;
    const int count;
    One *one[most_fellows()];

    // make(simulation, its memory)
    template <class Make>
    TM_ONCE Fellows(const Run &r, const Share &share, const Make &make) : r(r), graph(share.graph), count(share.count) {
        for (int i = 0; i < count; ++i) one[i] = make(share.first + i, share.memory + i * share.size);
    }
    TM_ONCE ~Fellows() {
        for (int i = 0; i < count; ++i) delete one[i];
    }
    bool some() const { return one[0]->own.some() || one[0]->early.some(); }
    template <class Work> TM_ALWAYS void each(const Work &work) const {
        for (int i = 0; i < (most_fellows() > 1 ? count : 1); ++i) work(*one[i]);
    }
    // products of the weights of a link with from(one), into to(one), at a stage of step t
    template <class From, class To>
    TM_ALWAYS void products(int link, int64_t t, int stage, const From &from, const To &to) const {
        const bool down = ((r.first_step + t) * Step::phases + stage) & 1;
        const T *sent[most_fellows()];
        T *out[most_fellows()];
        for (int i = 0; i < count; ++i) sent[i] = from(*one[i]), out[i] = to(*one[i]);
        graph.matrix[link].product(sent, out, count, one[0]->own, down);
    }
};

// work(share) of all simulations: each thread takes some after the others, or, where there are more threads, a crew takes
// each.
template <class Work> void each_simulation(const Run &r, int64_t size, bool back, const Work &work) {
    const int64_t count = r.lanes / r.nodes, places = Own::least(r.threads, count), crew = crew_of(r);
    const bool common = shared(r), apart = works_apart(r);
    const int64_t fellows = common && count >= places * most_fellows() ? most_fellows() : 1;
    Graph *all = common ? new Graph(r, 0, back, apart) : nullptr;
    tm::Crew *crews = new tm::Crew[places];
    T *memory = new T[places * fellows * size + line_of_cache];
    T *base = memory + (line_of_cache - reinterpret_cast<std::uintptr_t>(memory) / sizeof(T) % line_of_cache);
    tm::spread(r.team, r.threads, (count + fellows - 1) / fellows * crew, [&](int64_t from, int64_t to, int share) {
        for (int64_t task = from; task < to; ++task) {
            const int64_t first = task / crew * fellows, place = crew > 1 ? first : share;
            tm::Member member(crews[place], crew);
            if (!member.size) continue;
            Graph *own = common ? nullptr : new Graph(r, first, back, apart);
            T *there = base + place * fellows * size;
            work({common ? *all : *own, member, there, size, first, place, int(Own::least(fellows, count - first))});
            delete own;
        }
    });
    delete[] memory;
    delete[] crews;
    delete all;
}

#endif
