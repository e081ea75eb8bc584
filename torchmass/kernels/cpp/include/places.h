// Where what goes through a Line lies.
#ifndef TORCHMASS_PLACES_H
#define TORCHMASS_PLACES_H

#include "edges.h"
#include "held.h"

// steps of what was sent that lie in memory beside the past: the whole run, or few, so that they stay in the caches, and
// no fewer than the past, which is moved each time that they are full
TM_ONCE static int64_t room_of(const Run &r, bool whole) {
    constexpr int64_t block = 8 * L;
    if (whole) return (r.steps + block) / block * block;
    int64_t room = 512;
    for (int k = 0; k < Step::links; ++k)
        if (tm::delayed(Step::link[k].form) && r.reach[k] > room) room = r.reach[k];
    return (room + block - 1) / block * block;
}

// Steps before the first one that lie there: all that are needed, in whole lines of the cache, so that what is sent in a
// vector of steps is one; an odd number of these, so that the latest steps of all nodes have places in the caches.
TM_ONCE static int64_t lead_of(const Run &r, int link) {
    return ((r.reach[link] + line_of_cache - 1) / line_of_cache | 1) * line_of_cache;
}

// whether what a link delivers is also read in the middle of a step: others may be held, or are read only as steps begin
constexpr bool in_middle(int link) {
    for (int k = 0; k < Step::arrivals; ++k)
        if (Step::arrival[k].link == link && Step::arrival[k].c == 0.5) return true;
    return false;
}
// how many sums of a link over its past there are
constexpr int sets(int link) { return tm::delayed(Step::link[link].form) ? 1 + in_middle(link) : 0; }

struct Places {
    static constexpr int ring = 2 * L;             // rows, the latest
    static constexpr int64_t brief_steps = 2 * L;  // of the brief past, and after which it is moved
    T *whole_past, *brief_past;         // [channel][node][time], see Past; the brief one is of the latest steps
    T *rows, *own_rows;                 // [time][channel][lane], and the same where nobody reads those of others
    T *coming[2], *near[2], *table[2];  // of each set, sums that are not whole yet, [channel][node][time], and that are

    // how many steps there are of `coming`, from a node to the next one, and of a table; where sums lie `apart` or not
    static int64_t coming_steps(bool apart) { return Edges::steps[0] * (apart ? 2 : 1); }
    static int64_t coming_row(bool apart) { return coming_steps(apart) + L; }
    static int64_t few_rows(bool apart) { return L * (apart ? 4 : 2); }
    static int64_t all_rows(int64_t steps) { return steps + 2 * L + 1; }

    // of so many sets all but the past and the tables
    void take(Arena &from, Held &held, const Run &r, int64_t channels, int sets) {
        const int64_t nodes = channels * r.nodes;
        rows = from.take(ring * channels * row_width(r.nodes)), own_rows = held.take(ring * channels);
        brief_past = from.take(r.early ? nodes * 2 * brief_steps : 0);
        for (int set = 0; set < sets; ++set)
            coming[set] = from.take(nodes * coming_row(r.early)), near[set] = from.take(r.early ? nodes * L : 0);
    }
};

#endif
