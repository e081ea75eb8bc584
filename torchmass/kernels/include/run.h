// A call of the generated code, and how its lanes and leaves lie in memory.
#ifndef TORCHMASS_RUN_H
#define TORCHMASS_RUN_H

#include <cstdint>
#include "math.h"
#include "threads.h"

using V = tm::Vec<T>;
constexpr int L = V::lanes;

struct Run {
    int64_t lanes, nodes, simulations, steps, first_step, first_simulation, transient, every, interval, horizon;
    int64_t threads;
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
    int64_t *lost;  // the last step, times the number of states, plus the state, after which a gradient is not finite
    tm::Team team;  // null: threads for this call alone

    // whether what is constant in time is so in space, too
    TM_ONCE bool alike() const {
        for (int64_t k = 0; k < Step::leaves - Step::inputs; ++k)
            if (stride[3 * k + 1] || stride[3 * k + 2]) return false;
        return true;
    }
    int64_t vectors() const { return (lanes + L - 1) / L; }
    int64_t kept() const { return (steps + interval - 1) / interval; }
    T *state(int64_t vector, int64_t place) const { return path + (vector * kept() + place) * (Step::states * L); }
};

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

// The lanes of a vector. One at the end repeats the last lane, so that every loop is over whole vectors and no value
// depends on its place.
struct Lanes {
    int64_t first;
    int live;
    int64_t simulation[L], node[L], lane[L];

    TM_ONCE Lanes(const Run &r, int64_t vector)
        : first(vector * L), live(r.lanes - first < L ? int(r.lanes - first) : L) {
        for (int l = 0; l < L; ++l) {
            lane[l] = l < live ? first + l : r.lanes - 1;
            simulation[l] = lane[l] / r.nodes;
            node[l] = lane[l] % r.nodes;
        }
    }
    TM_ONCE V gather(const T *from) const {
        T values[L];
        for (int l = 0; l < L; ++l) values[l] = from[lane[l]];
        return V::load(values);
    }
    TM_ALWAYS void put(T *to, V values) const { store(to + first, values, live); }
    TM_ALWAYS V take(const T *from) const { return live == L ? V::load(from + first) : gather(from); }
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
