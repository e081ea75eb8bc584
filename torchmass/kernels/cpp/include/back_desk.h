// What the way back through a network goes on with.
#ifndef TORCHMASS_BACK_DESK_H
#define TORCHMASS_BACK_DESK_H

#include "correlation.h"
#include "record.h"

constexpr int64_t tile = 64;  // steps after which sums go on in double
// those after which gradients of weights at once do: of a list a sum over lanes is taken for each connection every time
constexpr int64_t kept_steps(int form) { return form == tm::sparse ? 2 * tile : tile; }

// Whether a step back is what came times slopes, see Slopes, and how many of these it has.
constexpr bool has_slopes = Step::states == 1 && Step::phases == 1 && Step::later == 0 && !any_late();
constexpr int slopes_of_step = 1 + Step::arrivals + Step::sums + Step::timed;

// What the way back needs beside the record.
struct BackDesk : Arena {
    const int64_t room;
    Held held;
    T *g, *later, *later_back, *sent_back, *kept;
    T *part, *sent_part;  // sums of steps, and of what is sent and recorded, up to a tile
    T *carried[Step::links];
    T *own_sum[Step::links];  // gradients of the weights of nodes with themselves
    Places places[Step::links][2];  // of a line for each set
    T *correlated[Step::links][2];
    // what comes back from arrivals, a ring of [step][arrival][lane]: of two steps, since some may be at the next one while
    // others still read, or of what gradients of weights at once take together, twice that where they are taken apart
    T *returned;
    int64_t turns = 2;
    T *sent_rows[Step::arrivals + 1];  // what was sent for these steps
    T *turned[2];                      // both as [node][step]
    T *slopes, *came;                  // rings of two tiles: of [step][slope][lane], of what came back, [step][lane]
    double *sum, *sent_sum;            // of both, up to now

    TM_ONCE BackDesk(const Run &r, T *base, int64_t rank = 0)
        : BackDesk(r, base, rank, BackDesk(r, nullptr, 0, 0).held.taken) {}
    // whose members hold so many rows each
    TM_ONCE BackDesk(const Run &r, T *base, int64_t rank, int64_t rows)
        : Arena{base}, room(room_of(r, false)), held(r, *this, rows, rank) {
        const int64_t width = row_width(r.nodes);
        g = held.take(Step::states), kept = held.take(Step::kept_back);
        part = held.take(Step::sums), sent_part = held.take(Step::sums);
        later = held.take(Step::later), later_back = held.take(Step::later), sent_back = held.take(Step::sends);
        const auto take_doubles = [&] {
            return reinterpret_cast<double *>(take((Step::sums + 1) * width * int64_t(sizeof(double) / sizeof(T))));
        };
        sum = take_doubles(), sent_sum = take_doubles();
        for (int k = 0; k < Step::links; ++k) {
            const int64_t inner = Step::link[k].channels * width, nodes = Step::link[k].channels * r.nodes;
            for (int set = 0; set < sets(k); ++set) {
                Places &own = places[k][set];
                own.whole_past = take(nodes * (lead_of(r, k) + room));
                own.table[0] = held.take(Places::few_rows(r.early) * Step::link[k].channels);
                own.take(*this, held, r, Step::link[k].channels, 1);
                correlated[k][set] = take(nodes * Correlation::row * (r.early ? 2 : 1));
            }
            carried[k] = take(sets(k) ? 4 * inner : 0), own_sum[k] = take(sets(k) ? width : 0);
        }
        bool any = false;
        for (int k = 0; k < Step::arrivals; ++k) {
            const int link = Step::arrival[k].link, form = Step::link[link].form;
            const bool wanted = tm::at_once(form) && r.g_weights[link];
            const int64_t steps = wanted ? kept_steps(form) * (r.early ? 2 : 1) : 0;
            turns = steps > turns ? steps : turns;
            sent_rows[k] = take(steps * width);
            any |= wanted && form == tm::sparse;
        }
        returned = take(turns * Step::arrivals * width);
        const int64_t foreseen = has_slopes && works_apart(r) ? 2 * tile * width : 0;
        slopes = take(foreseen * slopes_of_step), came = take(foreseen);
        for (T *&rows : turned) rows = take(any ? kept_steps(tm::sparse) * width : 0);
    }
};

#endif
