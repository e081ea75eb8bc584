// Rows of which each of those who share a simulation has some of its own, for its nodes alone: the processor reads ahead in
// a row, beyond these nodes, and would take from others what they are about to write.
#ifndef TORCHMASS_HELD_H
#define TORCHMASS_HELD_H

#include "arena.h"
#include "own.h"

struct Held {
    T *first = nullptr;  // row of this member; those of the next one follow on its last
    int64_t width = 0, rows = 0, taken = 0;

    Held() = default;
    // where one thread takes all steps they are for both
    TM_ONCE Held(const Run &r, Arena &from, int64_t rows, int64_t rank) : width(row_width(r.nodes)), rows(rows) {
        const bool one = works_apart(r);
        first = from.take((one ? 1 : crew_of(r)) * rows * width) + (one ? 0 : rank * rows * width);
    }
    T *take(int64_t count) { return first + ((taken += count) - count) * width; }
    // what the member `rank` places after this one has of its nodes
    TM_ONCE void take_over(int64_t rank, const Own &theirs) const {
        const T *from = first + rank * rows * width;
        for (int64_t k = 0; k < rows * width; k += width)
            for (int64_t i = theirs.from * L; i < theirs.to * L; ++i) first[k + i] = from[k + i];
    }
};

#endif
