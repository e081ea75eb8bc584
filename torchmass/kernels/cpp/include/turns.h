// How a vector of nodes takes its connections, in turns: a turn is a window of nodes, which begins at the vector of the
// first one that any lane has left, and of each lane the next connections in it, up to `each`.
#ifndef TORCHMASS_TURNS_H
#define TORCHMASS_TURNS_H

#include "own.h"

#ifdef TM_PICKS
constexpr int32_t window = 2 * L;    // nodes that one instruction picks from
constexpr int each = 2, fewest = 1;  // lanes that a turn is worth
#else
constexpr int32_t window = 1 << 16;
constexpr int each = 1, fewest = L / 4 + 1;
#endif

// values[at[lane]], of two places in a word of `at` those of byte `byte`. The upper half of the window lies `upper` after
// the lower one. Without an instruction for it four places at a time from one word, since loads are what takes time: 24 µs
// for 50,000 floats (gathers: 14 on processors with FP16, twice as many where Intel mended Downfall, as on Zen 3).
template <int... k>
TM_ALWAYS static V picked(const T *values, int64_t upper, const uint16_t *at, int byte, tm::Places<k...>) {
#ifdef TM_PICKS
    return V(tm::native_pick(V::load(values).v, V::load(values + upper).v, at, byte));
#else
    constexpr int many = L < 4 ? L : 4;
    uint64_t words[L / many] = {};
    for (int i = 0; i < L / many; ++i) __builtin_memcpy(words + i, at + i * many, many * sizeof *at);
    return V(typename tm::Native<T>::V{values[uint16_t(words[k / many] >> 16 * (k % many))]...});
#endif
}

// Connections by the node that is summed for, of each the node at its other end and the weight. Before those of a node, and
// after the last, lie as many that are none as a turn takes of a lane.
struct ByNode {
    static constexpr int32_t none = INT32_MAX;
    int64_t *bound;  // where those that are none begin
    int32_t *other;
    T *weight;

    TM_ONCE ByNode(int64_t nodes, int64_t count, const int32_t *rows, const int32_t *columns, const T *weights) {
        const int64_t size = count + (nodes + 1) * each;
        bound = new int64_t[nodes + 2](), other = new int32_t[size], weight = new T[size];
        for (int64_t e = 0; e < count; ++e) ++bound[rows[e] + 2];
        for (int64_t i = 1; i <= nodes; ++i) bound[i] += bound[i - 1] + each;
        for (int64_t k = 0; k < size; ++k) other[k] = none, weight[k] = 0;
        for (int64_t e = 0; e < count; ++e) {
            const int64_t k = bound[rows[e] + 1]++;
            other[k] = columns[e], weight[k] = weights[e];
        }
    }
    TM_ONCE ~ByNode() {
        delete[] bound;
        delete[] other;
        delete[] weight;
    }
};

struct Turns {
    const ByNode &list;
    const int32_t last;                            // window
    int32_t first = 0, others[each][L], taken[L];  // of the window; the next ones, and how many of these are in it
    int64_t next[L];

    Turns(const ByNode &list, int64_t v, int64_t vectors) : list(list), last(int32_t(vectors > 1 ? vectors - 2 : 0) * L) {
        for (int l = 0; l < L; ++l) next[l] = list.bound[v * L + l] + each, taken[l] = 0;
        take();
    }
    // how many lanes the next one serves
    int look() {
        int32_t lowest = list.none;
        int lanes = 0;
        for (int l = 0; l < L; ++l) lowest = others[0][l] < lowest ? others[0][l] : lowest;
        first = lowest < last ? lowest / L * L : last;
        for (int l = 0; l < L; ++l) taken[l] = 0;
        for (int i = 0; i < each; ++i)
            for (int l = 0; l < L; ++l) taken[l] += others[i][l] < first + window;
        for (int l = 0; l < L; ++l) lanes += taken[l] > 0;
        return lanes;
    }
    // places and weights of it, without a branch for each: half of them are none, as the first of the list is
    void write(uint16_t *at, T *weight) const {
        for (int l = 0; l < L; ++l) at[l] = 0;
        for (int i = 0; i < each; ++i)
            for (int l = 0; l < L; ++l) {
                const int64_t in = -int64_t(i < taken[l]);
                at[l] = uint16_t(at[l] | ((others[i][l] - first) & in) << 8 * i);
                weight[i * L + l] = list.weight[(next[l] + i) & in];
            }
    }
    void take() {
        for (int l = 0; l < L; ++l) next[l] += taken[l];
        for (int i = 0; i < each; ++i)
            for (int l = 0; l < L; ++l) others[i][l] = list.other[next[l] + i];
    }
};

#endif
