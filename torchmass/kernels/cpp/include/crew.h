// Threads that go through the time of one simulation together, each with some of its nodes, and meet where one reads
// what others wrote. A thread that does not get a core would hold up all: who comes too late is not waited for, and
// where too much time is lost in waiting, they part, and the first goes on alone.
#ifndef TORCHMASS_CREW_H
#define TORCHMASS_CREW_H

#include "math.h"
#include "threads.h"

// As <sched.h> and <time.h> have them on 64-bit Linux and macOS; see threads.h.
TM_EXPORT int sched_yield(void);
TM_EXPORT int clock_gettime(int clock, long *seconds_and_nanoseconds);

namespace tm {

TM_ONCE static int64_t nanoseconds() {
#ifdef __APPLE__
    constexpr int monotonic = 6;
#else
    constexpr int monotonic = 1;
#endif
    long now[2];
    clock_gettime(monotonic, now);
    return int64_t(now[0]) * 1000000000 + now[1];
}
TM_INLINE void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

struct Crew {
    static constexpr int most = 32;
    static constexpr int64_t closed = 1 << 20;
    // how often one has met the others, twice, and one more where it wants to part; of even and of odd meetings, since
    // one may be at the next meeting while others still read what was said at this one
    struct alignas(64) Seat { int64_t met[2] = {}; } seat[most];
    alignas(64) int64_t joined = 0, size = 0;
};

struct Member {
    static constexpr int64_t patience = 300 * 1000, grace = 3 * 1000 * 1000;  // ns: for others to come, to be lost
    static constexpr int spins = 2000;  // some tens of µs
    Crew &crew;
    int64_t rank = 0, size = 1, meetings = 0, begun = 0, lost = 0;
    bool tired = false, patient = false;  // has waited too long, and does not mind

    // joins a crew; too late, its size is 0
    TM_ONCE Member(Crew &crew, int64_t expected) : crew(crew) {
        if (expected == 1) return;
        begun = nanoseconds();
        rank = __atomic_fetch_add(&crew.joined, 1, __ATOMIC_ACQ_REL);
        if (rank >= Crew::closed) size = 0;
        else if (rank) size = wait(crew.size, 1);
        else {
            while (__atomic_load_n(&crew.joined, __ATOMIC_RELAXED) < expected && nanoseconds() - begun < patience) pause();
            size = __atomic_fetch_or(&crew.joined, Crew::closed, __ATOMIC_ACQ_REL);
            __atomic_store_n(&crew.size, size, __ATOMIC_RELEASE);
        }
    }
    // all that each wrote before is seen by all after; true where they part
    bool meet() {
        const int64_t least = 2 * ++meetings, place = meetings & 1;
        __atomic_store_n(&crew.seat[rank].met[place], least + tired, __ATOMIC_RELEASE);
        bool part = tired;
        for (int64_t other = 0; other < size; ++other)
            if (other != rank) part |= wait(crew.seat[other].met[place], least) & 1;
        return part;
    }
    TM_ALWAYS int64_t wait(const int64_t &word, int64_t least) {
        for (int i = 0; i < spins; ++i) {
            const int64_t now = __atomic_load_n(&word, __ATOMIC_ACQUIRE);
            if (now >= least) return now;
            pause();
        }
        return wait_long(word, least);
    }
    TM_ONCE int64_t wait_long(const int64_t &word, int64_t least) {
        const int64_t since = nanoseconds();
        int64_t now;
        while ((now = __atomic_load_n(&word, __ATOMIC_ACQUIRE)) < least) sched_yield();
        const int64_t end = nanoseconds();
        lost += end - since;
        tired = !patient && lost > grace + (end - begun) * 3 / 8;  // alone it would take as long from a half on
        return now;
    }
};

}  // namespace tm

#endif
