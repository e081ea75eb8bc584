// Memory handed out piece by piece; without a base it is only counted.
#ifndef TORCHMASS_ARENA_H
#define TORCHMASS_ARENA_H

#include "run.h"

struct Arena {
    T *base;
    int64_t size = 0;

    T *take(int64_t count) {
        T *found = base + size;
        size += (count + 15) / 16 * 16;
        return found;
    }
};

#endif
