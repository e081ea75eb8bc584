// A call of the generated code, and how its lanes and leaves lie in memory.
#ifndef TORCHMASS_RUN_H
#define TORCHMASS_RUN_H

#include <cstdint>
#include "math.h"
#include "threads.h"

using V = tm::Vec<T>;
constexpr int L = V::lanes;

// whether all of which this is the sum, each times 0, were finite
TM_INLINE bool all_finite(V zeros) {
    bool finite = true;
    for (int l = 0; l < L; ++l) finite &= zeros[l] == zeros[l];
    return finite;
}

struct Run {
    int64_t lanes, nodes, simulations, steps, first_step, first_simulation, transient, every, interval, horizon;
    int64_t threads;
    int64_t early;  // of a network: 1 where a second thread may do what can be done apart from the steps, see Population
    uint64_t seed;
    double dt;
    const T *const *leaf;
    const int64_t *stride;  // of every leaf: from step to step, simulation to simulation, node to node
    const T *const *x0;
    T *const *out;  // rows of each state and output; null where none are kept
    T *const *end;
    int *broken;  // set to 1 where a recorded value, or one at the end, is not finite
    T *path;  // the states before every `interval`-th step, [vector][step][state][lane]; null without a gradient
    const T *const *g_out, *const *g_end;  // of the adjoint: gradients given, and gradients found
    T *const *g_x0;
    double *sums;     // of each wanted leaf that is constant in time, per lane
    T *const *each;   // of each wanted input that changes in time, per step
    T *scratch;
    int64_t *lost;  // after which step the gradient of a state is not finite, see `lose`; −1: none
    tm::Team team;  // null: threads for this call alone
    // of a network: for each link its weights and its delays in steps, of pairs, how far apart those of simulations are
    // (0: shared), and whether connections of weight 0 count, since their gradient is wanted
    const T *const *weights, *const *lags;
    const int64_t *apart;  // of weights, of lags
    const int64_t *zeros;
    const T *const *before;  // what was sent before the run, [row][simulation][channel][node]
    const int64_t *before_apart;  // of rows, of simulations
    const int64_t *reach;  // how many rows
    const int32_t *const *connections;  // of some pairs: to which nodes, by these, then from which; null: all, [to][from]
    const int64_t *counts;              // how many they are
    int64_t tails;         // signals whose last rows are kept: which state (after the last: the output), how many rows
    const int64_t *tail_of, *tail_rows;
    T *const *tail;
    const T *const *g_tail;
    double *const *g_weights, *const *g_lags;  // per thread, or per simulation where they are not shared
    T *const *g_before;

    // whether what is constant in time is so in space, too
    TM_ONCE bool alike() const {
        for (int64_t k = 0; k < Step::leaves - Step::inputs; ++k)
            if (stride[3 * k + 1] || stride[3 * k + 2]) return false;
        return true;
    }
    // a vector that is NaN in some lane says that what is recorded, or where the run ends, is not finite
    TM_ONCE void found(V sum) const {
        if (!all_finite(sum)) __atomic_store_n(broken, 1, __ATOMIC_RELAXED);
    }
    // the gradient of a state is not finite after this step; the last in time is kept, and of several states the first
    TM_ONCE void lose(int64_t step, int64_t state) const {
        const int64_t here = (step + 1) * Step::states - 1 - state;
        int64_t held = __atomic_load_n(lost, __ATOMIC_RELAXED);
        while (held < here)
            if (__atomic_compare_exchange_n(lost, &held, here, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) break;
    }
    int64_t vectors() const { return (lanes + L - 1) / L; }
    int64_t kept() const { return (steps + interval - 1) / interval; }
    T *state(int64_t vector, int64_t place) const { return path + (vector * kept() + place) * (Step::states * L); }
};

// the sum of all lanes, in double: of the halves first, which are vectors
TM_INLINE double total(V values) {
    constexpr int half = L / 2;
    typedef T Half __attribute__((vector_size(sizeof(V) / 2)));
    typedef double Doubles __attribute__((vector_size(half * sizeof(double))));
    Half halves[2];
    __builtin_memcpy(halves, &values, sizeof values);
    const Doubles pairs = __builtin_convertvector(halves[0], Doubles) + __builtin_convertvector(halves[1], Doubles);
    if constexpr (half > 4) {
        typedef double Four __attribute__((vector_size(32)));
        Four fours[half / 4];
        __builtin_memcpy(fours, &pairs, sizeof pairs);
        const Four all = fours[0] + fours[1];
        return (all[0] + all[2]) + (all[1] + all[3]);
    } else {
        double sum = pairs[0];
        for (int l = 1; l < half; ++l) sum += pairs[l];
        return sum;
    }
}

// Writes the first `live` lanes; a call of memcpy would cost more than a step.
TM_INLINE void store(T *to, V values, int live) {
    if (live == L) return values.store(to);
    T all[L];
    values.store(all);
    int done = 0;
#pragma GCC unroll 4
    for (int size = L / 2; size > 0; size /= 2)
        if (live & size) __builtin_memcpy(to + done, all + done, size * sizeof(T)), done += size;
}

// Reads the first `live` lanes, and the last of them for the others.
inline V load_some(const T *from, int live) {
#ifdef TM_FIRST
    return V(tm::native_first(from, V(from[live - 1]).v, live));
#else
    T all[L];
    for (int l = 0; l < L; ++l) all[l] = from[l < live ? l : live - 1];
    return V::load(all);
#endif
}
TM_INLINE V load(const T *from, int live) { return live == L ? V::load(from) : load_some(from, live); }

// The lanes of a vector: of all nodes of all simulations, or of those of one. One at the end repeats the last lane, so
// that every loop is over whole vectors and no value depends on its place.
struct Lanes {
    int64_t first;
    int live;
    int64_t simulation[L], node[L], lane[L];

    TM_ONCE Lanes(const Run &r, int64_t vector) : Lanes(r, vector * L, r.lanes) {}
    static Lanes of(const Run &r, int64_t simulation, int64_t vector) {
        return Lanes(r, simulation * r.nodes + vector * L, (simulation + 1) * r.nodes);
    }
    TM_ONCE Lanes(const Run &r, int64_t first, int64_t end)
        : first(first), live(end - first < L ? int(end - first) : L) {
        for (int l = 0; l < L; ++l) {
            lane[l] = l < live ? first + l : end - 1;
            simulation[l] = lane[l] / r.nodes;
            node[l] = lane[l] % r.nodes;
        }
    }
    TM_ALWAYS void put(T *to, V values) const { store(to + first, values, live); }
    TM_ALWAYS V take(const T *from) const { return load(from + first, live); }
};

// A leaf as one vector reads it, at any step.
struct Leaf {
    enum Kind { uniform, contiguous, scattered } kind;
    const T *from;
    int64_t per_step, at[L];

    TM_ONCE void open(const Run &r, const Lanes &lanes, int place) {
        from = r.leaf[place];
        per_step = r.stride[3 * place];
        bool same = true, next = true;
        for (int l = 0; l < L; ++l) {
            at[l] = lanes.simulation[l] * r.stride[3 * place + 1] + lanes.node[l] * r.stride[3 * place + 2];
            same &= at[l] == at[0];
            next &= at[l] == at[0] + l;
        }
        kind = same ? uniform : next ? contiguous : scattered;
    }
    TM_ALWAYS V read(int64_t t) const {
        const T *now = from + t * per_step;
        if (kind == uniform) return V(now[at[0]]);
        if (kind == contiguous) return V::load(now + at[0]);
        T values[L];
        for (int l = 0; l < L; ++l) values[l] = now[at[l]];
        return V::load(values);
    }
};

#endif
