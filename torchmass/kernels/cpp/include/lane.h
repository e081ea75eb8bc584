// What one vector of lanes has: constants, what it is given at each step, and its place.
#ifndef TORCHMASS_LANE_H
#define TORCHMASS_LANE_H

#include "philox.h"
#include "run.h"

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

    Feed() = default;
    TM_ONCE Feed(const Run &r, const Lanes &lanes) { open(r, lanes); }
    TM_ONCE void open(const Run &r, const Lanes &lanes) {
        for (int k = 0; k < Step::inputs; ++k) leaf[k].open(r, lanes, Step::leaves - Step::inputs + k);
        uint32_t nodes[L], simulations[L];
        for (int l = 0; l < L; ++l) {
            nodes[l] = uint32_t(lanes.node[l]);
            simulations[l] = uint32_t(r.first_simulation + lanes.simulation[l] % r.simulations);
        }
        node = tm::Bits<T>::load(nodes), simulation = tm::Bits<T>::load(simulations);
    }
    TM_ALWAYS void to(const Run &r, int64_t t) { read(t), draw(r, t); }
    TM_ALWAYS void read(int64_t t) {
        for (int k = 0; k < Step::inputs; ++k) u[k] = leaf[k].read(t);
    }
    TM_ALWAYS void draw(const Run &r, int64_t t) {
        if constexpr (Step::drives > 0) {
            const int64_t now = r.first_step + t;
            if (now >> 2 != block) draw_four(r, now >> 2);
            for (int d = 0; d < Step::drives; ++d) z[d] = normals[d][now & 3];
        }
    }
    void draw_four(const Run &r, int64_t next) {
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

// What is constant in time, as each lane of a vector reads it, and what a step makes of it.
struct Constants {
    double leaf[L][Step::leaves + 1];
    Step::Fixed q;

    TM_ONCE void open(const Run &r, const Lanes &lanes) {
        T held[Step::held + 1][L];
        for (int k = 0; k < Step::leaves - Step::inputs; ++k) {
            Leaf constant;
            constant.open(r, lanes, k);
            const V values = constant.read(0);
            for (int l = 0; l < L; ++l) leaf[l][k] = double(values[l]);
        }
        for (int l = 0; l < L; ++l) {
            double exact[Step::held + 1];
            Step::fix(leaf[l], r.dt, exact);
            for (int k = 0; k < Step::held; ++k) held[k][l] = T(exact[k]);
        }
        q.load(held);
    }
};

// One vector on its way through time.
struct Lane {
    Lanes lanes;
    Feed feed;

    TM_ONCE Lane(const Run &r, int64_t vector) : lanes(r, vector), feed(r, lanes) {}

    TM_ONCE void finish(const Run &r, const V *x, V sum) const {
        for (int s = 0; s < Step::states; ++s) {
            sum += x[s] * V(T(0));
            lanes.put(r.end[s], x[s]);
        }
        r.found(sum);
    }
};

#endif
