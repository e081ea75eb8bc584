// The adjoint of the time loop, included after the struct `Step` as forward.h is: the exact derivative of the discrete
// steps, backwards.
//
// Time goes in tiles. A tile runs forward once more from a kept state and writes down what its derivative needs (the
// tape, which stays in the nearest caches), then runs backward. Keeping every state instead would take the same
// arithmetic and far more memory.
#ifndef TORCHMASS_ADJOINT_H
#define TORCHMASS_ADJOINT_H

#include "lane.h"

#define TM_FOR_EACH _Pragma("GCC unroll 8") for (int i = 0; i < K; ++i)

// A few vectors on their way back.
template <int K> struct Adjoint {
    static constexpr int added = Step::sums + Step::timed, size = Step::states * L;
    const Run &r;
    const int64_t vector;
    Constants constants[K];
    Lane lane[K];
    T *fine;  // the states before every tile of a segment, of one vector after the other
    V g[K][Step::states], part[K][added + 1];  // gradients, and what the steps since the last tile add to the sums
    double sum[K][Step::sums + 1][L];
    int64_t row, due;
    bool lost = false, watching = false;
    alignas(64) V tape[K][Step::tile + 1][Step::tape];

    template <int... p>
    TM_ONCE Adjoint(const Run &r, int64_t vector, T *fine, tm::Places<p...>)
        : r(r), vector(vector), lane{Lane(r, vector + p)...}, fine(fine), sum() {
        TM_FOR_EACH {
            constants[i].open(r, lane[i].lanes);
            for (int s = 0; s < Step::states; ++s) g[i][s] = r.g_end[s] ? lane[i].lanes.take(r.g_end[s]) : V(T(0));
            for (int k = 0; k < added; ++k) part[i][k] = V(T(0));
        }
        row = r.steps > r.transient ? (r.steps - 1 - r.transient) / r.every : -1;
        due = r.transient + row * r.every;
    }
    int64_t tiles() const { return (r.interval + Step::tile - 1) / Step::tile; }

    // from the state that is kept at `place` to the next, backwards
    void segment(int64_t place) {
        const int64_t begin = place * r.interval, next = begin + r.interval, end = next < r.steps ? next : r.steps;
        const bool long_way = end - begin > Step::tile;
        if (long_way) TM_FOR_EACH refine(i, begin, end, r.state(vector + i, place));
        for (int64_t tile = (end - begin - 1) / Step::tile; tile >= 0; --tile) {
            const int64_t from = begin + tile * Step::tile, to = from + Step::tile < end ? from + Step::tile : end;
            const T *start[K];
            TM_FOR_EACH start[i] = long_way ? fine + (i * tiles() + tile) * size : r.state(vector + i, place);
            replay(from, to, start);
            back(from, to);
        }
    }
    // keeps the states before every tile
    void refine(int i, int64_t begin, int64_t end, const T *start) {
        V x[Step::states];
        restore(x, start);
        for (int64_t t = begin; t < end; ++t) {
            if ((t - begin) % Step::tile == 0) keep(fine + (i * tiles() + (t - begin) / Step::tile) * size, x);
            lane[i].feed.to(r, t);
            Step::step(constants[i].q, x, &lane[i].feed.u[0], &lane[i].feed.z[0]);
        }
    }
    void replay(int64_t from, int64_t to, const T *const *start) {
        V x[K][Step::states];
        TM_FOR_EACH restore(x[i], start[i]);
        for (int64_t t = from; t < to; ++t) TM_FOR_EACH {
            lane[i].feed.to(r, t);
            Step::record(constants[i].q, x[i], &lane[i].feed.u[0], &lane[i].feed.z[0], tape[i][t - from]);
        }
        TM_FOR_EACH for (int s = 0; s < Step::states; ++s) tape[i][to - from][s] = x[i][s];
    }
    void back(int64_t from, int64_t to) {
        V before[K][Step::states];
        const int64_t row_before = row, due_before = due;
        TM_FOR_EACH for (int s = 0; s < Step::states; ++s) before[i][s] = g[i][s];
        sweep(from, to);
        if (lost || finite()) return;
        TM_FOR_EACH for (int s = 0; s < Step::states; ++s) g[i][s] = before[i][s];  // once more, to see where it broke
        row = row_before, due = due_before, watching = true;
        sweep(from, to);
        watching = false;
    }
    void sweep(int64_t from, int64_t to) {
        for (int64_t t = to - 1; t >= from; --t) {
            if (t == due) {
                TM_FOR_EACH rows(i, tape[i][t + 1 - from]);
                --row, due = row < 0 ? -1 : due - r.every;
            }
            if (watching) watch(t);
            TM_FOR_EACH Step::back(constants[i].q, tape[i][t - from], g[i], part[i]);
            if (Step::timed) TM_FOR_EACH step_sums(i, t);
            if (r.horizon && t % r.horizon == 0 && t > 0)
                TM_FOR_EACH for (int s = 0; s < Step::states; ++s) g[i][s] = V(T(0));
        }
        TM_FOR_EACH for (int k = 0; k < Step::sums; ++k) {
            for (int l = 0; l < L && !watching; ++l) sum[i][k][l] += double(part[i][k][l]);
            part[i][k] = V(T(0));
        }
    }
    // adds the gradients of a recorded row, whose states are x
    TM_ALWAYS void rows(int i, const V *x) {
        const Lanes &lanes = lane[i].lanes;
        for (int s = 0; s < Step::states; ++s)
            if (r.g_out[s]) g[i][s] += lanes.take(r.g_out[s] + row * r.lanes);
        if (const T *given = r.g_out[Step::states])
            Step::output_back(constants[i].q, x, lanes.take(given + row * r.lanes), g[i], part[i]);
    }
    // writes the gradients of the inputs of one step
    void step_sums(int i, int64_t t) {
        for (int k = Step::sums; k < added; ++k) {
            lane[i].lanes.put(r.each[k - Step::sums] + t * r.lanes, part[i][k]);
            part[i][k] = V(T(0));
        }
    }
    bool finite() const {
        V sum(T(0));
        TM_FOR_EACH for (int s = 0; s < Step::states; ++s) sum += g[i][s] * V(T(0));
        return all_finite(sum);
    }
    // notes the step and the state whose gradient is not finite; of all vectors, the last in time
    TM_ONCE void watch(int64_t t) {
        if (lost || finite()) return;
        lost = true;
        int state = Step::states - 1;
        TM_FOR_EACH for (int s = state; s >= 0; --s)
            for (int l = 0; l < L; ++l) state = g[i][s][l] - g[i][s][l] != 0 && s < state ? s : state;
        r.lose(t, state);
    }
    TM_ONCE void finish() {
        TM_FOR_EACH {
            const Lanes &lanes = lane[i].lanes;
            for (int s = 0; s < Step::states; ++s) lanes.put(r.g_x0[s], g[i][s]);
            for (int l = 0; l < lanes.live; ++l) {
                double total[Step::sums + 1], found[Step::wanted + 1];
                for (int k = 0; k < Step::sums; ++k) total[k] = sum[i][k][l];
                Step::close(constants[i].leaf[l], r.dt, total, found);
                for (int k = 0; k < Step::wanted; ++k) r.sums[k * r.lanes + lanes.first + l] = found[k];
            }
        }
    }
};

template <int K> static void adjoint_group(const Run &r, int64_t vector, T *fine) {
    Adjoint<K> adjoint(r, vector, fine, tm::places<K>());
    for (int64_t place = r.kept() - 1; place >= 0; --place) adjoint.segment(place);
    adjoint.finish();
}

TM_EXPORT void adjoint(const Run &r) {
    constexpr int K = Step::width;
    const int64_t size = K * ((r.interval + Step::tile - 1) / Step::tile) * (Step::states * L);
    tm::spread(r.team, r.threads, r.vectors(), [&](int64_t from, int64_t to, int thread) {
        T *fine = r.scratch + thread * size;
        for (; to - from >= K; from += K) adjoint_group<K>(r, from, fine);
        for (; from < to; ++from) adjoint_group<1>(r, from, fine);
    });
}

#endif
