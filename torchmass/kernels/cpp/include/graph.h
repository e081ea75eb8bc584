// The links of a network as sums are taken of them: matrices, or lists of connections.
#ifndef TORCHMASS_GRAPH_H
#define TORCHMASS_GRAPH_H

#include "line.h"
#include "matrix.h"
#include "outer.h"
#include "shorts.h"
#include "sparse.h"
#include "terms.h"

constexpr double least_lag(int link) { return in_middle(link) ? 1.5 : 1.0; }  // steps of the past that blocks can do with

// The links of one simulation, or of all where they share them, as sums are taken of them, forward or backward.
struct Graph {
    Matrix matrix[Step::links];
    Pairs pairs[Step::links];
    Edges edges[Step::links][2];  // of each set: read as the step begins, and in its middle
    Terms terms[Step::links][2];
    Shorts shorts[Step::links];
    Sparse sparse[Step::links];
    const bool apart;  // one thread takes all steps, another what can be done apart from them

    TM_ONCE Graph(const Run &r, int64_t simulation, bool back, bool apart) : apart(apart) {
        const int64_t n = r.nodes;
        for (int k = 0; k < Step::links; ++k) {
            const int form = Step::link[k].form;
            if (form == tm::total) continue;
            const T *weights = r.weights[k] + simulation * r.apart[2 * k];
            if (form == tm::dense) {
                matrix[k].build(weights, n, back);
                continue;
            }
            if (form == tm::sparse) {
                sparse[k].build(n, r.counts[k], r.connections[k], weights, back);
                continue;
            }
            const T *lags = r.lags[k] + simulation * r.apart[2 * k + 1];
            const bool moving = r.g_lags && r.g_lags[k];
            const int64_t length = lead_of(r, k) + room_of(r, r.path && !back);
            const int64_t brief = apart ? 2 * Places::brief_steps : length;
            pairs[k].open(n, r.counts[k], r.connections[k]);
            const double least = least_lag(k);
            for (int set = 0; set < sets(k); ++set) {
                edges[k][set].build(pairs[k], r.early, length, brief, weights, lags, least, 0.5 * set, back);
                if (back && (r.g_weights[k] || moving))
                    terms[k][set].build(pairs[k], weights, lags, least, r.reach[k], 0.5 * set, r.g_weights[k]);
            }
            shorts[k].build(pairs[k], weights, lags, least, r.zeros[k], moving, back);
        }
    }
    // whether nodes read what others sent before it is in their past
    bool reads_rows(int link) const {
        bool any = shorts[link].any();
        for (int set = 0; set < sets(link); ++set) any |= edges[link][set].any(Edges::levels - 1);
        return any;
    }
    // whether nodes read at this stage what those of another thread sent just before
    bool waits(int level) const {
        for (int k = 0; k < Step::arrivals && !apart; ++k) {
            const int link = Step::arrival[k].link, form = Step::link[link].form;
            if (Step::arrival[k].level != level || form == tm::late) continue;
            if (form != tm::mixed || shorts[link].any()) return true;
        }
        return false;
    }
};
TM_ONCE static bool shared(const Run &r) {
    for (int k = 0; k < 2 * Step::links; ++k)
        if (r.apart[k]) return false;
    return true;
}

#endif
