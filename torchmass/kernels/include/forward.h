// The time loop. The generated file defines T, the number type, and Step, the maths of one step, and includes this.
//
// Lanes are all nodes of all simulations, one after the other, in vectors of L. A few vectors go through all of time
// together, with their states in registers, so that the processor always has work that does not wait.
#ifndef TORCHMASS_FORWARD_H
#define TORCHMASS_FORWARD_H

#include <cstdint>
#include "math.h"
#include "philox.h"
#include "threads.h"

using V = tm::Vec<T>;
constexpr int L = V::lanes;

struct Run {
    int64_t lanes, nodes, simulations, steps, first_step, first_simulation, transient, every, interval, horizon, threads;
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

    int64_t vectors() const { return (lanes + L - 1) / L; }
    int64_t kept() const { return (steps + interval - 1) / interval; }
    T *state(int64_t vector, int64_t place) const { return path + (vector * kept() + place) * (Step::states * L); }
};

// The lanes of a vector. One at the end repeats the last lane, so that every loop is over whole vectors and no value
// depends on its place.
struct Lanes {
    int64_t first;
    int live;
    int64_t simulation[L], node[L], lane[L];

    Lanes(const Run &r, int64_t vector) : first(vector * L), live(r.lanes - first < L ? int(r.lanes - first) : L) {
        for (int l = 0; l < L; ++l) {
            lane[l] = l < live ? first + l : r.lanes - 1;
            simulation[l] = lane[l] / r.nodes;
            node[l] = lane[l] % r.nodes;
        }
    }
    V gather(const T *from) const {
        T values[L];
        for (int l = 0; l < L; ++l) values[l] = from[lane[l]];
        return V::load(values);
    }
    TM_ALWAYS void put(T *to, V values) const {
        if (live == L) return values.store(to + first);
        for (int l = 0; l < live; ++l) to[first + l] = values[l];
    }
    TM_ALWAYS V take(const T *from) const { return live == L ? V::load(from + first) : gather(from); }
};

// A leaf as one vector reads it, at any step.
struct Leaf {
    enum Kind { uniform, contiguous, scattered } kind;
    const T *from;
    int64_t per_step, at[L];

    void open(const Run &r, const Lanes &lanes, int place) {
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

template <class Item, int count> struct Array {  // an array that may be empty
    Item items[count ? count : 1];
    TM_ALWAYS Item &operator[](int i) { return items[i]; }
    TM_ALWAYS const Item &operator[](int i) const { return items[i]; }
};

// What a vector is given at each step: inputs, held over the step, and standard normals, drawn four steps at once.
struct Feed {
    Array<Leaf, Step::inputs> leaf;
    Array<V, Step::inputs> u;
    Array<V[4], Step::drives> normals;
    Array<V, Step::drives> z;
    tm::Bits<T> node, simulation;
    int64_t block = -1;
    bool moving = false;

    // also gives the leaves that do not change in time
    Feed(const Run &r, const Lanes &lanes, V *fixed) {
        constexpr int constants = Step::leaves - Step::inputs;
        for (int k = 0; k < constants; ++k) {
            Leaf constant;
            constant.open(r, lanes, k);
            fixed[k] = constant.read(0);
        }
        for (int k = 0; k < Step::inputs; ++k) {
            leaf[k].open(r, lanes, constants + k);
            u[k] = leaf[k].read(0);
            moving |= leaf[k].per_step != 0;
        }
        uint32_t nodes[L], simulations[L];
        for (int l = 0; l < L; ++l) {
            nodes[l] = uint32_t(lanes.node[l]);
            simulations[l] = uint32_t(r.first_simulation + lanes.simulation[l] % r.simulations);
        }
        node = tm::Bits<T>::load(nodes), simulation = tm::Bits<T>::load(simulations);
    }
    TM_ALWAYS void to(const Run &r, int64_t t) {
        if (Step::inputs && moving)
            for (int k = 0; k < Step::inputs; ++k) u[k] = leaf[k].read(t);
        if constexpr (Step::drives > 0) {
            const int64_t now = r.first_step + t;
            if (now >> 2 != block) draw(r, now >> 2);
            for (int d = 0; d < Step::drives; ++d) z[d] = normals[d][now & 3];
        }
    }
    void draw(const Run &r, int64_t next) {
        block = next;
        for (int d = 0; d < Step::drives; ++d)
            tm::normals4<T>(normals[d][0], normals[d][1], normals[d][2], normals[d][3], node, simulation,
                            uint32_t(block), Step::sources[d], uint32_t(r.seed), uint32_t(r.seed >> 32));
    }
};

TM_INLINE void keep(T *to, const V *x) {
    for (int s = 0; s < Step::states; ++s) x[s].store(to + s * L);
}
TM_INLINE void restore(V *x, const T *from) {
    for (int s = 0; s < Step::states; ++s) x[s] = V::load(from + s * L);
}

// One vector of the loop below.
struct Lane {
    Lanes lanes;
    V fixed[Step::leaves + 1];
    Feed feed;
    Step::Fixed q;

    __attribute__((noinline)) Lane(const Run &r, int64_t vector) : lanes(r, vector), feed(r, lanes, fixed) { Step::fix(q, fixed, V(T(r.dt))); }

    void finish(const Run &r, const V *x, V sum) const {
        for (int s = 0; s < Step::states; ++s) {
            sum += x[s] * V(T(0));
            lanes.put(r.end[s], x[s]);
        }
        for (int l = 0; l < L; ++l)
            if (sum[l] != sum[l]) __atomic_store_n(r.broken, 1, __ATOMIC_RELAXED);
    }
};

// Where one vector writes its rows. Kept in registers, or beside the loop: what a store may change is read again.
struct Rows {
    T *to[Step::states + Step::outputs];
    bool whole, outputs = false;
    int64_t width;

    Rows(const Run &r, const Lanes &lanes) : whole(lanes.live == L), width(r.lanes) {
        for (int k = 0; k < Step::states + Step::outputs; ++k) to[k] = r.out[k] ? r.out[k] + lanes.first : nullptr;
        for (int o = 0; o < Step::outputs; ++o) outputs |= to[Step::states + o] != nullptr;
    }
    // writes a value if there is a place for it; 0 is added to `sum`, or NaN if the value is not finite
    TM_ALWAYS void write(int k, V value, V &sum, const Lane &lane) {
        if (!to[k]) return;
        sum += value * V(T(0));
        if (whole) value.store(to[k]);
        else lane.lanes.put(to[k] - lane.lanes.first, value);
        to[k] += width;
        __builtin_prefetch(to[k] + 8 * width, 1);  // of many nodes every row is a page of its own, and a store would wait
    }
    TM_ALWAYS void record(const V *x, V &sum, const Lane &lane) {
        for (int s = 0; s < Step::states; ++s) write(s, x[s], sum, lane);
        if (!outputs) return;
        V h[Step::outputs];
        Step::output(lane.q, x, h);
        for (int o = 0; o < Step::outputs; ++o) write(Step::states + o, h[o], sum, lane);
    }
};

// A few vectors on their way through time.
template <int K> struct Group {
    int64_t vector, t = 0, due, place = 0, next;  // the next row, and the next state to keep: a division costs a step
    Lane lane[K];
    Rows rows[K];
    V x[K][Step::states], sum[K];

    template <int... k>
    Group(const Run &r, int64_t vector, tm::Places<k...>)
        : vector(vector), due(r.transient), next(r.path ? 0 : r.steps), lane{Lane(r, vector + k)...},
          rows{Rows(r, lane[k].lanes)...} {
        for (int i = 0; i < K; ++i) {
            sum[i] = V(T(0));
            for (int s = 0; s < Step::states; ++s) x[i][s] = lane[i].lanes.gather(r.x0[s]);
        }
    }
    void run(const Run &r, int64_t until) {
        V now[K][Step::states], total[K];
        for (int i = 0; i < K; ++i) {
            total[i] = sum[i];
            for (int s = 0; s < Step::states; ++s) now[i][s] = x[i][s];
        }
        const int64_t every = r.every, interval = r.interval;
        for (; t < until; ++t) {
            if (t == next) {
                for (int i = 0; i < K; ++i) keep(r.state(vector + i, place), now[i]);
                ++place, next += interval;
            }
#pragma GCC unroll 8
            for (int i = 0; i < K; ++i) {
                lane[i].feed.to(r, t);
                Step::step(lane[i].q, now[i], &lane[i].feed.u[0], &lane[i].feed.z[0]);
            }
            if (t == due) {
#pragma GCC unroll 8
                for (int i = 0; i < K; ++i) rows[i].record(now[i], total[i], lane[i]);
                due += every;
            }
        }
        for (int i = 0; i < K; ++i) {
            sum[i] = total[i];
            for (int s = 0; s < Step::states; ++s) x[i][s] = now[i][s];
        }
    }
    void finish(const Run &r) const {
        for (int i = 0; i < K; ++i) lane[i].finish(r, x[i], sum[i]);
    }
};

// A group of whatever size.
struct Any {
    void *group;
    void (*run)(void *, const Run &, int64_t);
    void (*end)(void *, const Run &);

    template <int K> void begin(const Run &r, int64_t vector) {
        group = new Group<K>(r, vector, tm::places<K>());
        run = [](void *g, const Run &r, int64_t until) { static_cast<Group<K> *>(g)->run(r, until); };
        end = [](void *g, const Run &r) {
            static_cast<Group<K> *>(g)->finish(r);
            delete static_cast<Group<K> *>(g);
        };
    }
};

// vectors from … to − 1 in groups of at most K, as even as they can be; how many
template <int K> static int64_t grouped(Any *group, const Run &r, int64_t from, int64_t to) {
    int64_t count = 0;
    for (; from < to; from += K) {
        const int64_t left = to - from, groups = (left + K - 1) / K;
        if ((left + groups - 1) / groups < K)
            if constexpr (K > 1) return count + grouped<K - 1>(group + count, r, from, to);
        group[count++].template begin<K>(r, from);
    }
    return count;
}

// The steps that all groups take before the first one goes on: as many as have rows that stay in the nearer caches.
// Lines of memory then are written whole, while neighbours that share them take turns.
static int64_t stretch(const Run &r, int64_t vectors) {
    int64_t kept = 0;
    for (int k = 0; k < Step::states + Step::outputs; ++k) kept += r.out[k] != nullptr;
    const int64_t bytes = 64 * 1024, row = kept * vectors * L * int64_t(sizeof(T));
    return row ? (bytes / row + 1) * r.every : r.steps;
}

TM_EXPORT void forward(const Run &r) {
    tm::spread(r.threads, r.vectors(), [&](int64_t from, int64_t to, int) {
        Any *groups = new Any[to - from];
        const int64_t count = grouped<Step::width>(groups, r, from, to), length = stretch(r, to - from);
        for (int64_t t = 0; t < r.steps;) {
            t = r.steps - t > length ? t + length : r.steps;
            for (int64_t g = 0; g < count; ++g) groups[g].run(groups[g].group, r, t);
        }
        for (int64_t g = 0; g < count; ++g) groups[g].end(groups[g].group, r);
        delete[] groups;
    });
}

#endif
