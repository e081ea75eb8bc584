// Sums over connections of some steps at once: of whole vectors of steps, or of less than one.
#ifndef TORCHMASS_SUMS_H
#define TORCHMASS_SUMS_H

#include "edges.h"
#include "turn.h"

// of A vectors in so many chains, which do not wait for each other
template <int A, int chains_of = A < 4 ? 4 / A : 1> struct Sums {
    static constexpr int chains = chains_of, ahead = 4;
    V sum[chains][A];

    Sums() {
#pragma GCC unroll 4
        for (auto &chain : sum) zero(chain);
    }
    // adds connections k … end − 1, which read one sample; what the first node sends now is at `base`
    TM_ALWAYS void add(const Edges &e, int64_t k, int64_t end, const T *base) {
        for (; k + chains <= end; k += chains)
#pragma GCC unroll 4
            for (int i = 0; i < chains; ++i) {
                read(sum[i], base + e.place[k + i], e.near[k + i]);
                soon(base + e.place[k + i + ahead]);
            }
        for (; k < end; ++k) read(sum[0], base + e.place[k], e.near[k]);
    }
    // adds those that read between two samples
    TM_ALWAYS void add_between(const Edges &e, int64_t k, int64_t end, const T *base) {
        for (; k < end; ++k) {
            soon(base + e.place[k + ahead]);
            read(sum[0], base + e.place[k], e.near[k]), read(sum[chains - 1], base + e.place[k] - 1, e.far[k]);
        }
    }
    TM_ALWAYS V total(int k) const {
        V all = sum[0][k];
#pragma GCC unroll 4
        for (int i = 1; i < chains; ++i) all += sum[i][k];
        return all;
    }
    TM_ALWAYS static void zero(V (&sum)[A]) {
#pragma GCC unroll 8
        for (V &one : sum) one = V(T(0));
    }
    TM_ALWAYS static void read(V (&sum)[A], const T *from, T weight) {
        const V one(weight);
#pragma GCC unroll 8
        for (int k = 0; k < A; ++k) sum[k] = tm::fma(V::load(from + k * L), one, sum[k]);
    }
    // what a later connection reads long ago lies in the farther caches, and each reads elsewhere
    TM_ALWAYS static void soon(const T *from) {
        if (A < 4) return;
        for (int k = 0; k < A; k += 64 / sizeof(V) > A ? A : 64 / sizeof(V)) __builtin_prefetch(from + k * L);
    }
};

// Sums of less than a vector of steps.
template <int count> struct FewSums {
    typedef T Values __attribute__((vector_size(count * sizeof(T)), aligned(sizeof(T)), may_alias));
    Values values{};
    TM_ALWAYS void read(const T *from, T weight) { values += *reinterpret_cast<const Values *>(from) * weight; }
    TM_ALWAYS void add_to(T *to) const { *reinterpret_cast<Values *>(to) += values; }
};
template <> struct FewSums<1> {
    T values[1]{};
    TM_ALWAYS void read(const T *from, T weight) { values[0] += *from * weight; }
    TM_ALWAYS void add_to(T *to) const { *to += values[0]; }
};

#endif
