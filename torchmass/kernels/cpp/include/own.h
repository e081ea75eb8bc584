// The nodes of one of those who share a simulation: whole vectors, and whole lines of the cache.
#ifndef TORCHMASS_OWN_H
#define TORCHMASS_OWN_H

#include <new>
#include "crew.h"
#include "run.h"

constexpr std::align_val_t line_start{64};          // of the cache
constexpr int64_t line_of_cache = 64 / sizeof(T);  // numbers

// how far apart rows of all nodes lie
inline int64_t row_width(int64_t nodes) { return (nodes + line_of_cache - 1) / line_of_cache * line_of_cache; }

// The last nodes, where they are so few that a vector of their own is not worth it, and the lanes of vectors for all others.
constexpr int few = L / 4 ? L / 4 : 1;
inline int64_t in_vectors(int64_t nodes) { return (nodes + L - few - 1) / L * L; }

struct Own {
    static constexpr int64_t together = line_of_cache / L;  // vectors
    int64_t from = 0, to = 0, begin = 0, end = 0;           // vectors, nodes

    // of the member `rank` of `size`, none of those beyond
    TM_ONCE Own(int64_t nodes, int64_t rank, int64_t size) {
        const int64_t vectors = (nodes + L - 1) / L, units = most(nodes);
        if (rank >= size) return;
        from = least(vectors, units * rank / size * together), to = least(vectors, units * (rank + 1) / size * together);
        begin = least(nodes, from * L), end = least(nodes, to * L);
    }
    // how many can have some
    static int64_t most(int64_t nodes) { return row_width(nodes) / line_of_cache; }
    bool some() const { return from < to; }
    // of `count` rows
    void clear(T *rows, int64_t count, int64_t width) const {
        for (int64_t k = 0; k < count; ++k)
            for (int64_t v = from; v < to; ++v) V(T(0)).store(rows + k * width + v * L);
    }
    static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
};

// how many threads share a simulation, and whether one of them does what can be done apart from the steps
TM_ONCE static int64_t crew_of(const Run &r) {
    const int64_t most = r.early ? 2 : Own::least(Own::most(r.nodes), tm::Crew::most), count = r.lanes / r.nodes;
    return r.threads < count ? 1 : Own::least(r.threads / count, most);
}
TM_ONCE static bool works_apart(const Run &r) { return r.early && crew_of(r) > 1; }

#endif
