// The time loop. The generated file defines T, the number type, and Step, the maths of one step, and includes this.
//
// Lanes are all nodes of all simulations, one after the other, in vectors of L. A few vectors go through all of time
// together, with their states in registers, so that the processor always has work that does not wait.
#ifndef TORCHMASS_FORWARD_H
#define TORCHMASS_FORWARD_H

#include "lane.h"

// Where the rows that are kept are written: of these states and outputs, at these places.
struct Rows {
    int kept = 0, which[Step::states + Step::outputs];
    bool outputs = false;
    T *to[Step::states + Step::outputs];

    TM_ONCE Rows(const Run &r, int64_t first) {
        for (int k = 0; k < Step::states + Step::outputs; ++k) {
            if (!r.out[k]) continue;
            which[kept] = k, to[kept++] = r.out[k] + first;
            outputs |= k >= Step::states;
        }
    }
    // writes what is kept of K vectors' values; 0 is added to `sum`, or NaN if one is not finite
    template <int K>
    TM_ALWAYS void write(const V (*value)[Step::states + Step::outputs], int live, int64_t width, V &sum) {
        for (int k = 0; k < kept; ++k) {
#pragma GCC unroll 8
            for (int i = 0; i < K; ++i) {
                const V v = value[i][which[k]];
                sum += v * V(T(0));
                store(to[k] + i * L, v, i < K - 1 ? L : live);
            }
            to[k] += width;
#pragma GCC unroll 8
            for (int i = 0; i < K; i += 64 / sizeof(V))  // rows of many nodes are pages apart: a store would wait
                __builtin_prefetch(to[k] + 8 * width + i * L, 1);
        }
    }
};

// A few vectors on their way through time; `alike` if all lanes of the run have the same constants, which are one then.
template <int K, bool alike> struct Group {
    const Constants *constants;
    int64_t vector, t = 0, due, place = 0, next;  // the next row, and the next state to keep: a division costs a step
    Lane lane[K];
    Rows rows;
    V x[K][Step::states + Step::outputs], sum;

    template <int... k>
    TM_ONCE Group(const Run &r, int64_t vector, const Constants *constants, tm::Places<k...>)
        : constants(constants), vector(vector), due(r.transient), next(r.path ? 0 : r.steps),
          lane{Lane(r, vector + k)...}, rows(r, vector * L), sum(T(0)) {
        for (int i = 0; i < K; ++i)
            for (int s = 0; s < Step::states; ++s) x[i][s] = lane[i].lanes.take(r.x0[s]);
    }
    TM_ALWAYS const Step::Fixed &fixed(int i) const { return constants[alike ? 0 : i].q; }

    void run(const Run &r, int64_t until) {
        V now[K][Step::states + Step::outputs], total = sum;
        for (int i = 0; i < K; ++i)
            for (int s = 0; s < Step::states; ++s) now[i][s] = x[i][s];
        const int64_t every = r.every, interval = r.interval, width = r.lanes;
        const int live = lane[K - 1].lanes.live;  // only the last vector of a run is not whole
        Rows to = rows;
        for (; t < until; ++t) {
            if (t == next) {
                for (int i = 0; i < K; ++i) keep(r.state(vector + i, place), now[i]);
                ++place, next += interval;
            }
#pragma GCC unroll 8
            for (int i = 0; i < K; ++i) {
                lane[i].feed.to(r, t);
                Step::step(fixed(i), now[i], &lane[i].feed.u[0], &lane[i].feed.z[0]);
            }
            if (t == due) {
                if (to.outputs)
#pragma GCC unroll 8
                    for (int i = 0; i < K; ++i) Step::output(fixed(i), now[i], now[i] + Step::states);
                to.template write<K>(now, live, width, total);
                due += every;
            }
        }
        rows = to, sum = total;
        for (int i = 0; i < K; ++i)
            for (int s = 0; s < Step::states; ++s) x[i][s] = now[i][s];
    }
    TM_ONCE void finish(const Run &r) const {
        for (int i = 0; i < K; ++i) lane[i].finish(r, x[i], sum);
    }
};

// A group of whatever size.
struct Any {
    void *group;
    void (*run)(void *, const Run &, int64_t);
    void (*end)(void *, const Run &);

    template <class G, class Places>
    void begin(const Run &r, int64_t vector, const Constants *constants, Places places) {
        group = new G(r, vector, constants, places);
        run = [](void *g, const Run &r, int64_t until) { static_cast<G *>(g)->run(r, until); };
        end = [](void *g, const Run &r) {
            static_cast<G *>(g)->finish(r);
            delete static_cast<G *>(g);
        };
    }
};

// Vectors first … last − 1 in groups, which take turns.
struct Groups {
    const Run &r;
    const int64_t first;
    int64_t count = 0;
    Constants *constants;
    Any *all;

    TM_ONCE Groups(const Run &r, int64_t first, int64_t last) : r(r), first(first), all(new Any[last - first]) {
        const int64_t sets = r.alike() ? 1 : last - first;
        constants = new Constants[sets];
        for (int64_t k = 0; k < sets; ++k) constants[k].open(r, Lanes(r, first + k));
        if (r.alike()) fill<Step::width, true>(first, last);
        else fill<(Step::width > 2 ? Step::width : 1), false>(first, last);  // wide dear ones would only compile longer
    }
    // groups of at most K vectors, as even as they can be
    template <int K, bool alike> TM_ONCE void fill(int64_t from, int64_t last) {
        for (; from < last; from += K) {
            const int64_t left = last - from, groups = (left + K - 1) / K;
            if constexpr (K > 1)
                if ((left + groups - 1) / groups < K) return fill<K - 1, alike>(from, last);
            all[count++].begin<Group<K, alike>>(r, from, constants + (alike ? 0 : from - first), tm::places<K>());
        }
    }
    void run(int64_t until) {
        for (int64_t g = 0; g < count; ++g) all[g].run(all[g].group, r, until);
    }
    TM_ONCE ~Groups() {
        for (int64_t g = 0; g < count; ++g) all[g].end(all[g].group, r);
        delete[] all;
        delete[] constants;
    }
};

// The steps that all groups take before the first one goes on: as many as have rows that stay in the nearer caches.
// Lines of memory then are written whole, while neighbours that share them take turns.
TM_ONCE static int64_t stretch(const Run &r, int64_t vectors) {
    int64_t kept = 0;
    for (int k = 0; k < Step::states + Step::outputs; ++k) kept += r.out[k] != nullptr;
    const int64_t bytes = 64 * 1024, row = kept * vectors * L * int64_t(sizeof(T));
    return row ? (bytes / row + 1) * r.every : r.steps;
}

TM_EXPORT void forward(const Run &r) {
    tm::spread(r.team, r.threads, r.vectors(), [&](int64_t first, int64_t last, int) {
        Groups groups(r, first, last);
        const int64_t length = stretch(r, last - first);
        for (int64_t t = 0; t < r.steps;) groups.run(t = r.steps - t > length ? t + length : r.steps);
    });
}

#endif
