// Who receives, in the order in which sums are taken.
#ifndef TORCHMASS_RECEIVERS_H
#define TORCHMASS_RECEIVERS_H

#include "edges.h"

// The nodes of one thread that have connections of a level, level by level; of those where sums begin, all.
// Those of as many connections follow one another: a processor foresees then where the loop over them ends, and waits 15
// to 20 cycles for each end that it does not foresee.
struct Receivers {
    int64_t begin = 0, end = 0, *node = nullptr, bound[Edges::levels + 1] = {};

    // whose the thread has now
    void follow(const Edges &edges, const Own &own) {
        if (begin != own.begin || end != own.end) open(edges, own);
    }
    TM_ONCE void open(const Edges &edges, const Own &own) {
        begin = own.begin, end = own.end;
        delete[] node;
        node = new int64_t[Edges::levels * (end - begin)];
        int64_t *place = new int64_t[edges.nodes + 2];
        for (int level = 0; level < Edges::levels; ++level) {
            for (int64_t count = 0; count < edges.nodes + 2; ++count) place[count] = 0;
            for (int64_t to = begin; to < end; ++to) ++place[edges.count(level, to)];
            const bool begins = level == 0 || level == Edges::latest;
            if (!begins) place[0] = 0;
            bound[level + 1] = bound[level] + add_up(place, edges.nodes + 1, false);
            for (int64_t to = begin; to < end; ++to)
                if (const int64_t count = edges.count(level, to); count || begins) node[bound[level] + place[count]++] = to;
        }
        delete[] place;
    }
    TM_ONCE ~Receivers() { delete[] node; }
};

#endif
