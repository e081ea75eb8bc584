// Sums over the nodes that are connected. The sums of a vector of nodes go on together, one connection of each at a time,
// up to the number that all but the longest quarter of them have; what is left of these is added one by one.
#ifndef TORCHMASS_SPARSE_H
#define TORCHMASS_SPARSE_H

#include "run.h"

// L of the values; without an instruction for it four places at a time from one word, since loads are what takes time
template <int... k> TM_ALWAYS static V picked(const T *values, const uint16_t *at, tm::Places<k...>) {
#ifdef TM_GATHERS
    return V(tm::native_gather(values, at));
#else
    constexpr int each = L < 4 ? L : 4;
    uint64_t words[L / each] = {};
    for (int i = 0; i < L / each; ++i) __builtin_memcpy(words + i, at + i * each, each * sizeof *at);
    return V(typename tm::Native<T>::V{values[uint16_t(words[k / each] >> 16 * (k % each))]...});
#endif
}

struct Sparse {
    int64_t nodes = 0, count = 0;
    const int32_t *to, *from;               // of every connection, sorted by `to`
    int64_t *begin = nullptr, *over = nullptr;  // of the connections of a vector; of those that are left, of a node
    T *weight = nullptr;                    // [connection of a vector][lane], then of those that are left
    uint16_t *at = nullptr;                 // the nodes that are summed, likewise

    // backwards from what arrived to those who sent it
    TM_ONCE void build(int64_t all, int64_t edges, const int32_t *ends, const T *weights, bool back) {
        nodes = all, count = edges, to = ends, from = ends + edges;
        const int64_t vectors = (nodes + L - 1) / L;
        const int32_t *rows = back ? from : to, *columns = back ? to : from;
        int64_t *degree = new int64_t[vectors * L](), *place = new int64_t[vectors * L]();
        for (int64_t e = 0; e < count; ++e) ++degree[rows[e]];
        begin = new int64_t[vectors + 1], over = new int64_t[vectors * L + 1];
        begin[0] = over[0] = 0;
        for (int64_t v = 0; v < vectors; ++v) begin[v + 1] = begin[v] + common(degree + v * L);
        const int64_t together = begin[vectors] * L;
        for (int64_t i = 0; i < vectors * L; ++i) {
            const int64_t left = degree[i] - (begin[i / L + 1] - begin[i / L]);
            over[i + 1] = over[i] + (left > 0 ? left : 0);
        }
        weight = new T[together + over[vectors * L] + 1](), at = new uint16_t[together + over[vectors * L] + 1]();
        // lanes that have no more connections read, times 0, a node that they depend on anyway
        for (int64_t v = 0; v < vectors; ++v)
            for (int64_t k = begin[v] * L; k < begin[v + 1] * L; ++k) {
                const int64_t row = v * L + k % L;
                at[k] = uint16_t(row < nodes ? row : nodes - 1);
            }
        for (int64_t e = 0; e < count; ++e) {
            const int64_t i = rows[e], v = i / L, k = place[i]++, size = begin[v + 1] - begin[v];
            const int64_t where = k < size ? (begin[v] + k) * L + i % L : together + over[i] + k - size;
            weight[where] = weights[e], at[where] = uint16_t(columns[e]);
        }
        for (int64_t i = 0; i <= vectors * L; ++i) over[i] += together;
        delete[] degree;
        delete[] place;
    }
    // the length that a quarter of the rows exceed
    static int64_t common(const int64_t *degree) {
        int64_t found = INT64_MAX;
        for (int l = 0; l < L; ++l) {
            int longer = 0;
            for (int k = 0; k < L; ++k) longer += degree[k] > degree[l];
            if (longer <= L / 4 && degree[l] < found) found = degree[l];
        }
        return found;
    }
    // the first connection to this node or one after it
    int64_t first_to(int64_t node) const {
        int64_t low = 0, high = count;
        while (low < high)
            if (const int64_t middle = (low + high) / 2; to[middle] < node) low = middle + 1;
            else high = middle;
        return low;
    }
    // out[i] = Σ of weights · sent for vectors `first` … `last` − 1 of i
    void product(const T *sent, T *out, int64_t first, int64_t last) const {
        for (int64_t v = first; v < last; ++v) {
            V sum[4];
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) sum[i] = V(T(0));
            int64_t k = begin[v];
            for (; k + 4 <= begin[v + 1]; k += 4)
#pragma GCC unroll 4
                for (int i = 0; i < 4; ++i) sum[i] = next(sent, k + i, sum[i]);
            for (; k < begin[v + 1]; ++k) sum[0] = next(sent, k, sum[0]);
            ((sum[0] + sum[1]) + (sum[2] + sum[3])).store(out + v * L);
            if (over[v * L] < over[v * L + L])
                for (int64_t i = v * L; i < v * L + L; ++i) {
                    T more = 0;
                    for (int64_t e = over[i]; e < over[i + 1]; ++e) more += weight[e] * sent[at[e]];
                    out[i] += more;
                }
        }
        for (int64_t i = nodes; i < last * L; ++i) out[i] = out[nodes - 1];
    }
    TM_ALWAYS V next(const T *sent, int64_t k, V sum) const {
        return tm::fma(V::load(weight + k * L), picked(sent, at + k * L, tm::places<L>()), sum);
    }
    TM_ONCE ~Sparse() {
        delete[] begin;
        delete[] over;
        delete[] weight;
        delete[] at;
    }
};

#endif
