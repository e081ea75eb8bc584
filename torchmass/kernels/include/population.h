// One simulation of a network: the links between its nodes, what they have, and what is written down of them.
#ifndef TORCHMASS_POPULATION_H
#define TORCHMASS_POPULATION_H

#include "delays.h"
#include "gather.h"
#include "lane.h"
#include "sparse.h"

constexpr double least_lag = Step::middle ? 1.5 : 1.0;  // steps of the past that blocks of steps can do with

constexpr int own_arrivals() {
    int count = 0;
    for (int k = 0; k < Step::arrivals; ++k) count += Step::link[Step::arrival[k].link].form != tm::late;
    return count;
}

// The links of one simulation, or of all where they share them, as sums are taken of them, forward or backward.
struct Graph {
    T *matrix[Step::links] = {};
    Edges edges[Step::links], middle[Step::links];
    Shorts shorts[Step::links];
    Sparse sparse[Step::links];

    TM_ONCE Graph(const Run &r, int64_t simulation, bool back) {
        const int64_t n = r.nodes, width = (n + L - 1) / L * L;
        for (int k = 0; k < Step::links; ++k) {
            const int form = Step::link[k].form;
            if (form == tm::total) continue;
            const T *weights = r.weights[k] + simulation * r.apart[2 * k];
            if (form == tm::dense) {
                matrix[k] = new T[n * width];
                spread_out(matrix[k], width, weights, n, !back);
                continue;
            }
            if (form == tm::sparse) {
                sparse[k].build(n, r.counts[k], r.connections[k], weights, back);
                continue;
            }
            const T *lags = r.lags[k] + simulation * r.apart[2 * k + 1];
            edges[k].build(n, weights, lags, least_lag, 0, back);
            if (Step::middle) middle[k].build(n, weights, lags, least_lag, 0.5, back);
            shorts[k].build(n, weights, lags, least_lag, r.zeros[k], r.g_lags && r.g_lags[k]);
        }
    }
    TM_ONCE ~Graph() {
        for (T *m : matrix) delete[] m;
    }
};
TM_ONCE static bool shared(const Run &r) {
    for (int k = 0; k < 2 * Step::links; ++k)
        if (r.apart[k]) return false;
    return true;
}

// What a simulation writes down: all of it for the adjoint, else what is needed to go on.
struct Record {
    T *x, *own, *past[Step::links], *table[Step::links][2];
    int64_t width, room, rows, size = 0;
    bool whole;

    TM_ONCE Record(const Run &r, T *base, bool whole) : whole(whole) {
        constexpr int64_t block = 8 * L, least = 2048;
        width = (r.nodes + L - 1) / L * L;
        room = whole ? (r.steps + block) / block * block : least;
        rows = whole ? Line::full_table(r.steps) : Line::ring_table;
        x = take(base, (whole ? r.steps + 1 : 1) * Step::states * width);
        own = take(base, (whole ? r.steps : 1) * own_arrivals() * width);
        for (int k = 0; k < Step::links; ++k) {
            const tm::LinkForm link = Step::link[k];
            if (!tm::delayed(link.form)) continue;
            past[k] = take(base, link.channels * r.nodes * (r.reach[k] + room));
            for (int set = 0; set <= Step::middle; ++set) table[k][set] = take(base, rows * link.channels * width);
        }
    }
    T *take(T *base, int64_t count) {
        T *found = base + size;
        size += (count + 15) / 16 * 16;
        return found;
    }
    T *state(int64_t t) const { return x + (whole ? t : 0) * Step::states * width; }
    T *arrived(int64_t t) const { return own + (whole ? t : 0) * own_arrivals() * width; }
};
TM_EXPORT int64_t record_size(const Run &r, bool whole) { return Record(r, nullptr, whole).size; }

// What one simulation has: constants and noise of its nodes, what is sent and what arrives.
struct Population {
    const Run &r;
    const int64_t simulation, vectors, width, first;  // `first` lane of all simulations
    const int live;                                   // lanes of the last vector
    Constants *constants;
    Feed *feed;
    T *sent, *later, *kept, *scratch;

    TM_ONCE Population(const Run &r, int64_t simulation, int kept_values)
        : r(r), simulation(simulation), vectors((r.nodes + L - 1) / L), width(vectors * L), first(simulation * r.nodes),
          live(int(r.nodes - (vectors - 1) * L)), constants(new Constants[vectors]),
          feed(new Feed[vectors]) {
        const int64_t sends = Step::sends * width, laters = Step::later * width;
        scratch = new T[sends + laters + kept_values * width + 16];
        sent = scratch, later = sent + sends, kept = later + laters;
        for (int64_t v = 0; v < vectors; ++v) {
            const Lanes lanes = Lanes::of(r, simulation, v);
            constants[v].open(r, lanes);
            feed[v].open(r, lanes);
        }
    }
    TM_ONCE ~Population() {
        delete[] constants;
        delete[] feed;
        delete[] scratch;
    }
    const Step::Fixed &fixed(int64_t v) const { return constants[v].q; }
    int lanes(int64_t v) const { return v == vectors - 1 ? live : L; }
    // a row of a tensor over all lanes, as one vector of this simulation has it; the last lane repeated
    V take(const T *row, int64_t v) const {
        T values[L];
        for (int l = 0; l < L; ++l) values[l] = row[first + v * L + (l < lanes(v) ? l : lanes(v) - 1)];
        return V::load(values);
    }
    void put(T *row, int64_t v, V values) const { store(row + first + v * L, values, lanes(v)); }
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
