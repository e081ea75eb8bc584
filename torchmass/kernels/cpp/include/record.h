// Where a simulation of a network writes: what is written down of it, and what it goes on with.
#ifndef TORCHMASS_RECORD_H
#define TORCHMASS_RECORD_H

#include "line.h"

constexpr bool any_late() {
    for (int k = 0; k < Step::links; ++k)
        if (sets(k)) return true;
    return false;
}

// how many arrivals before the given one are written down with the states, step by step
constexpr int own_arrivals(int before = Step::arrivals) {
    int count = 0;
    for (int k = 0; k < before; ++k) count += Step::link[Step::arrival[k].link].form != tm::late;
    return count;
}

// What a simulation writes down: all of it for the adjoint, else what is needed to go on.
struct Record : Arena {
    static constexpr int ring = 2 * L;  // steps of normals, else
    T *x, *own, *past[Step::links], *table[Step::links][2];
    T *drawn;  // normals, [step][vector][drive][lane], where they are drawn some steps before they are needed
    int64_t width, room;
    bool whole;
    Held held;  // what is not written down

    TM_ONCE Record(const Run &r, T *base, bool whole, const Held &begun = {}) : Arena{base}, whole(whole), held(begun) {
        width = row_width(r.nodes);
        room = room_of(r, whole);
        const int64_t rows = whole ? Places::all_rows(r.steps) : Places::few_rows(r.early);
        const auto some = [&](int64_t count) { return whole ? take(count * width) : held.take(count); };
        x = some((whole ? r.steps + 1 : 1) * Step::states), own = some((whole ? r.steps : 1) * own_arrivals());
        drawn = take(r.early ? (whole ? r.steps : ring) * Step::drives * width : 0);
        for (int k = 0; k < Step::links; ++k) {
            const tm::LinkForm link = Step::link[k];
            if (!tm::delayed(link.form)) continue;
            past[k] = take(link.channels * r.nodes * (lead_of(r, k) + room));
            for (int set = 0; set < sets(k); ++set) table[k][set] = some(rows * link.channels);
        }
    }
    T *state(int64_t t) const { return x + (whole ? t : 0) * Step::states * width; }
    T *normals(int64_t v, int64_t t) const { return drawn + ((whole ? t : t & (ring - 1)) * width + v * L) * Step::drives; }
    // where arrival k of step t is written down, unless it is late
    T *arrived(int64_t t, int k) const { return own + ((whole ? t : 0) * own_arrivals() + own_arrivals(k)) * width; }
};
TM_EXPORT int64_t record_size(const Run &r, bool whole) { return Record(r, nullptr, whole).size; }

// What a simulation goes on with beside its record. What is sent is written in turns of two steps: some may be at the next
// one while others still read.
struct Desk : Arena {
    Held held;
    T *sent[2], *later[2], *kept;
    Places places[Step::links];

    TM_ONCE Desk(const Run &r, T *base, int64_t rank = 0) : Desk(r, base, rank, rows_to_hold(r)) {}
    // whose members hold so many rows each
    TM_ONCE Desk(const Run &r, T *base, int64_t rank, int64_t rows) : Arena{base}, held(r, *this, rows, rank) {
        const int64_t width = row_width(r.nodes);
        for (int turn = 0; turn < 2; ++turn) sent[turn] = take(Step::sends * width), later[turn] = take(Step::later * width);
        kept = held.take(Step::kept);
        for (int k = 0; k < Step::links; ++k)
            if (sets(k)) places[k].take(*this, held, r, Step::link[k].channels, sets(k));
    }
    TM_ONCE static int64_t rows_to_hold(const Run &r) {
        return Record(r, nullptr, r.path != nullptr, Desk(r, nullptr, 0, 0).held).held.taken;
    }
};

#endif
