// Sums over the nodes that are connected, a vector of nodes at once. It takes its connections in turns (turns.h); those
// that too few lanes have left for a turn are added one by one.
#ifndef TORCHMASS_SPARSE_H
#define TORCHMASS_SPARSE_H

#include "turns.h"

struct Sparse {
    int64_t nodes = 0, count = 0, upper = 0;     // how far the upper half of a window lies after the lower one
    const int32_t *to, *from;                    // of every connection, sorted by `to`
    int64_t *begin = nullptr, *over = nullptr;   // of the turns of a vector; of the connections left over, of a node
    uint16_t *first = nullptr, *at = nullptr;    // node of the window of a turn; places in it, [turn][lane]
    T *weight = nullptr, *left = nullptr;        // [turn][connection][lane]; of those left over
    int32_t *other = nullptr;                    // whom those left over come from

    // backwards from what arrived to those who sent it
    TM_ONCE void build(int64_t all, int64_t edges, const int32_t *ends, const T *weights, bool back) {
        nodes = all, count = edges, to = ends, from = ends + edges;
        const int64_t vectors = (nodes + L - 1) / L;
        const ByNode list(vectors * L, count, back ? from : to, back ? to : from, weights);
        upper = vectors > 1 ? L : 0, begin = new int64_t[vectors + 1](), over = new int64_t[vectors * L + 1]();
        for (int64_t v = 0; v < vectors; ++v) {
            Turns turns(list, v, vectors);
            for (begin[v + 1] = begin[v]; turns.look() >= fewest; ++begin[v + 1]) turns.take();
            for (int l = 0; l < L; ++l) over[v * L + l + 1] = over[v * L + l] + list.bound[v * L + l + 1] - turns.next[l];
        }
        const int64_t size = begin[vectors] * L, rest = over[vectors * L];
        first = new uint16_t[size / L + 1], at = new uint16_t[size + 1], weight = new (line_start) T[size * each + 1];
        left = new T[rest + 1], other = new int32_t[rest + 1];
        for (int64_t v = 0; v < vectors; ++v) fill(v, Turns(list, v, vectors));
    }
    TM_ONCE void fill(int64_t v, Turns turns) {
        for (int64_t k = begin[v]; k < begin[v + 1]; ++k, turns.take())
            turns.look(), first[k] = uint16_t(turns.first), turns.write(at + k * L, weight + k * each * L);
        for (int l = 0; l < L; ++l)
            for (int64_t e = over[v * L + l], k = turns.next[l]; e < over[v * L + l + 1]; ++e, ++k)
                left[e] = turns.list.weight[k], other[e] = turns.list.other[k];
    }
    // the first connection to this node or one after it
    int64_t first_to(int64_t node) const {
        int64_t low = 0, high = count;
        while (low < high)
            if (const int64_t middle = (low + high) / 2; to[middle] < node) low = middle + 1;
            else high = middle;
        return low;
    }
    // out[i] = Σ of weights · sent for vectors `v` … `last` − 1 of i
    void product(const T *sent, T *out, int64_t v, int64_t last) const {
        is_finite(sent) ? sums<true>(sent, out, v, last) : sums<false>(sent, out, v, last);
        for (int64_t i = nodes; i < last * L; ++i) out[i] = out[nodes - 1];
    }
    bool is_finite(const T *sent) const {
        V sum(T(0));
        for (int64_t i = 0; i < nodes; i += L) sum += V::load(sent + i) * V(T(0));
        return all_finite(sum);
    }
    template <bool finite> void sums(const T *sent, T *out, int64_t v, int64_t last) const {
        constexpr int together = 4 / each;  // turns
        for (; v < last; ++v) {
            V sum[4];
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) sum[i] = V(T(0));
            int64_t k = begin[v];
            for (; k + together <= begin[v + 1]; k += together)
#pragma GCC unroll 4
                for (int i = 0; i < together; ++i) turn<finite>(sent, k + i, sum + i * each);
            for (; k < begin[v + 1]; ++k) turn<finite>(sent, k, sum);
            ((sum[0] + sum[1]) + (sum[2] + sum[3])).store(out + v * L);
            if (fewest > 1 && over[v * L] < over[v * L + L]) add_left(sent, out, v);
        }
    }
    // a lane without a connection takes some number, of which only an infinite one times 0 is not 0
    template <bool finite> TM_ALWAYS void turn(const T *sent, int64_t k, V *sum) const {
#pragma GCC unroll 2
        for (int i = 0; i < each; ++i) {
            const V w = V::load(weight + (k * each + i) * L);
            const V x = picked(sent + first[k], upper, at + k * L, i, tm::places<L>());
            sum[i] = tm::fma(w, finite ? x : tm::select(w != V(T(0)), x, V(T(0))), sum[i]);
        }
    }
    void add_left(const T *sent, T *out, int64_t v) const {
        for (int64_t i = v * L; i < v * L + L; ++i) {
            T more = 0;
            for (int64_t e = over[i]; e < over[i + 1]; ++e) more += left[e] * sent[other[e]];
            out[i] += more;
        }
    }
    TM_ONCE ~Sparse() {
        ::operator delete[](weight, line_start);
        delete[] begin;
        delete[] over;
        delete[] first;
        delete[] at;
        delete[] left;
        delete[] other;
    }
};

#endif
