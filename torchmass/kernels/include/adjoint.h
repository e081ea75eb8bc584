// The adjoint of the time loop, included after forward.h: the exact derivative of the discrete steps, backwards.
//
// Time goes in tiles. A tile runs forward once more from a kept state and writes down what its derivative needs (the
// tape, which stays in the nearest caches), then runs backward. Keeping every state instead would take the same
// arithmetic and far more memory.
#ifndef TORCHMASS_ADJOINT_H
#define TORCHMASS_ADJOINT_H

#include "forward.h"

struct Adjoint {
    const Run &r;
    Lane lane;
    T *fine;  // the states before every tile of a segment
    V g[Step::states], part[Step::bases + Step::timed + 1];  // of the steps since the last tile
    double sum[Step::bases + 1][L];
    int64_t row, due;
    bool lost = false, watching = false;
    alignas(64) V tape[Step::tile + 1][Step::tape];

    Adjoint(const Run &r, int64_t vector, T *fine) : r(r), lane(r, vector), fine(fine), sum() {
        for (int s = 0; s < Step::states; ++s) g[s] = r.g_end[s] ? lane.lanes.take(r.g_end[s]) : V(T(0));
        for (int i = 0; i < Step::bases + Step::timed; ++i) part[i] = V(T(0));
        row = r.steps > r.transient ? (r.steps - 1 - r.transient) / r.every : -1;
        due = r.transient + row * r.every;
    }

    void segment(int64_t begin, int64_t end, const T *start) {
        const T *states = start;
        if (end - begin > Step::tile) {
            V x[Step::states];
            restore(x, start);
            for (int64_t t = begin; t < end; ++t) {
                if ((t - begin) % Step::tile == 0) keep(fine + (t - begin) / Step::tile * (Step::states * L), x);
                lane.feed.to(r, t);
                Step::step(lane.q, x, &lane.feed.u[0], &lane.feed.z[0]);
            }
            states = fine;
        }
        for (int64_t tile = (end - begin - 1) / Step::tile; tile >= 0; --tile) {
            const int64_t from = begin + tile * Step::tile, to = from + Step::tile < end ? from + Step::tile : end;
            replay(from, to, states + tile * (Step::states * L));
            back(from, to);
        }
    }
    void replay(int64_t from, int64_t to, const T *start) {
        V x[Step::states];
        restore(x, start);
        for (int64_t t = from; t < to; ++t) {
            lane.feed.to(r, t);
            Step::record(lane.q, x, &lane.feed.u[0], &lane.feed.z[0], tape[t - from]);
        }
        for (int s = 0; s < Step::states; ++s) tape[to - from][s] = x[s];
    }
    void back(int64_t from, int64_t to) {
        V before[Step::states];
        const int64_t row_before = row, due_before = due;
        for (int s = 0; s < Step::states; ++s) before[s] = g[s];
        sweep(from, to);
        if (lost || finite()) return;
        for (int s = 0; s < Step::states; ++s) g[s] = before[s];  // once more, to see where it broke
        row = row_before, due = due_before, watching = true;
        sweep(from, to);
        watching = false;
    }
    bool finite() const {
        V sum(T(0));
        for (int s = 0; s < Step::states; ++s) sum += g[s] * V(T(0));
        for (int l = 0; l < L; ++l)
            if (sum[l] != sum[l]) return false;
        return true;
    }
    // notes the step and the state whose gradient is not finite; of all lanes, the last in time
    void watch(int64_t t) {
        if (lost || finite()) return;
        lost = true;
        int state = 0;
        for (bool found = false; !found; ++state)
            for (int l = 0; l < L; ++l) found |= g[state][l] - g[state][l] != 0;
        const int64_t here = t * Step::states + state - 1;
        int64_t held = __atomic_load_n(r.lost, __ATOMIC_RELAXED);
        while (held < here && !__atomic_compare_exchange_n(r.lost, &held, here, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
    }
    void sweep(int64_t from, int64_t to) {
        for (int64_t t = to - 1; t >= from; --t) {
            if (t == due) {
                rows(tape[t + 1 - from]);
                --row, due = row < 0 ? -1 : due - r.every;
            }
            if (watching) watch(t);
            Step::back(lane.q, tape[t - from], g, part);
            for (int i = 0; i < Step::timed; ++i)
                lane.lanes.put(r.each[i] + t * r.lanes, part[Step::bases + i]), part[Step::bases + i] = V(T(0));
            if (r.horizon && t % r.horizon == 0 && t > 0)
                for (int s = 0; s < Step::states; ++s) g[s] = V(T(0));
        }
        for (int i = 0; i < Step::bases; ++i) {
            for (int l = 0; l < L; ++l) sum[i][l] += double(part[i][l]);
            part[i] = V(T(0));
        }
    }
    // adds the gradients of a recorded row, whose states are x
    TM_ALWAYS void rows(const V *x) {
        for (int s = 0; s < Step::states; ++s)
            if (r.g_out[s]) g[s] += lane.lanes.take(r.g_out[s] + row * r.lanes);
        if (const T *given = r.g_out[Step::states])
            Step::output_back(lane.q, x, lane.lanes.take(given + row * r.lanes), g, part);
    }
    void finish() {
        for (int s = 0; s < Step::states; ++s) lane.lanes.put(r.g_x0[s], g[s]);
        for (int l = 0; l < lane.lanes.live; ++l) {
            double leaf[Step::leaves + 1], total[Step::bases + 1], found[Step::wanted + 1];
            for (int i = 0; i < Step::leaves; ++i) leaf[i] = lane.fixed[i][l];
            for (int i = 0; i < Step::bases; ++i) total[i] = sum[i][l];
            Step::close(leaf, r.dt, total, found);
            for (int i = 0; i < Step::wanted; ++i) r.sums[i * r.lanes + lane.lanes.first + l] = found[i];
        }
    }
};

TM_EXPORT void adjoint(const Run &r) {
    const int64_t size = (r.interval + Step::tile - 1) / Step::tile * (Step::states * L);
    tm::spread(r.threads, r.vectors(), [&](int64_t from, int64_t to, int thread) {
        for (int64_t vector = from; vector < to; ++vector) {
            Adjoint adjoint(r, vector, r.scratch + thread * size);
            for (int64_t place = r.kept() - 1; place >= 0; --place) {
                const int64_t begin = place * r.interval, end = begin + r.interval;
                adjoint.segment(begin, end < r.steps ? end : r.steps, r.state(vector, place));
            }
            adjoint.finish();
        }
    });
}

#endif
