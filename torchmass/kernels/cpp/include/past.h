// What nodes sent, node by node, one step after the other.
#ifndef TORCHMASS_PAST_H
#define TORCHMASS_PAST_H

#include "own.h"
#include "turn.h"

template <int> struct Count {};

struct Past {
    int64_t channels, nodes, reach, lead, room, origin = 0;  // `reach` steps of the `lead` are read
    T *memory;  // [channel][node][time]: `lead` steps before `origin`, and `room` from there on

    int64_t length() const { return lead + room; }
    T *of(int64_t channel, int64_t node) const { return memory + (channel * nodes + node) * length(); }
    T *at(int64_t channel, int64_t node, int64_t t) const { return of(channel, node) + lead + (t - origin); }
    // work(channel, node) of some
    template <class Work> TM_ALWAYS void each(const Own &own, const Work &work) const {
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t j = own.begin; j < own.end; ++j) work(c, j);
    }
    // the row before time 0 that lies `back` steps ago, at most `known`, is at before + (known − back) · per_row,
    // [channel][node]
    TM_ONCE void begin(const Own &own, const T *before, int64_t per_row, int64_t known) {
        origin = 0;
        each(own, [&](int64_t c, int64_t j) {
            for (int64_t back = 1; back <= lead; ++back)
                *at(c, j, -back) = before && back <= known ? before[(known - back) * per_row + c * nodes + j] : T(0);
        });
    }
    // rows t … t + count − 1 of all nodes, each at row(t), [channel][lane]
    template <int count, class Row>
    TM_ALWAYS void turn_in(Count<count>, const Own &own, int64_t width, int64_t t, const Row &row) const {
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t j = own.begin; j < own.end; j += L) {
                V v[count];
                for (int k = 0; k < count; ++k) v[k] = V::load(row(t + k) + c * width + j);
                turn<count>(v);
                alignas(sizeof(V)) T held[L][count];
                for (int k = 0; k < count; ++k) v[k].store(held[0] + k * L);
                for (int64_t l = 0; l < L && j + l < own.end; ++l) __builtin_memcpy(at(c, j + l, t), held[l], sizeof held[l]);
            }
    }
    bool full(int64_t t) const { return t - origin >= room; }
    TM_ONCE void roll(const Own &own) {
        each(own, [&](int64_t c, int64_t j) { __builtin_memmove(of(c, j), of(c, j) + room, lead * sizeof(T)); });
        origin += room;
    }
    TM_ONCE void forget(const Own &own) const {
        each(own, [&](int64_t c, int64_t j) {
            for (int64_t k = 0; k < length(); ++k) of(c, j)[k] = 0;
        });
    }
};

#endif
