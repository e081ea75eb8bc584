// Work spread over threads: those that torch keeps, where it has any, since its own would wait at work on the same
// cores; else threads that live for one call.
#ifndef TORCHMASS_THREADS_H
#define TORCHMASS_THREADS_H

#include <cstdint>

// As <pthread.h> has them where a thread is named by a word, on Linux and macOS; that header itself brings the C
// library's `struct tm`, which cannot stand beside our namespace.
#define TM_EXPORT extern "C" __attribute__((visibility("default")))
TM_EXPORT int pthread_create(std::uintptr_t *thread, const void *attributes, void *(*begin)(void *), void *given);
TM_EXPORT int pthread_join(std::uintptr_t thread, void **result);

namespace tm {

// Has `task(given)` done by a team of threads at once, as GOMP_parallel of GCC's, LLVM's and Intel's OpenMP does.
using Team = void (*)(void (*task)(void *), void *given, unsigned threads, unsigned flags);

// work(from, to, share) over 0 … count − 1 in shares, which whoever is there takes one after the other
template <class Work> struct Shares {
    const Work &work;
    const int64_t count;
    const int shares;
    int taken = 0;

    void take() {
        for (int i; (i = __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED)) < shares;)
            work(count * i / shares, count * (i + 1) / shares, i);
    }
    static void task(void *given) { static_cast<Shares *>(given)->take(); }
    static void *begin(void *given) {
        task(given);
        return nullptr;
    }
};

template <class Work> void spread(Team team, int64_t threads, int64_t count, const Work &work) {
    constexpr int most = 256;
    Shares<Work> all{work, count, int(threads < count ? (threads < most ? threads : most) : count)};
    if (all.shares > 1 && team) return team(Shares<Work>::task, &all, unsigned(all.shares), 0);
    std::uintptr_t id[most];
    int started = 0;
    while (started < all.shares - 1 && pthread_create(&id[started], nullptr, Shares<Work>::begin, &all) == 0) ++started;
    all.take();
    while (started > 0) pthread_join(id[--started], nullptr);
}

template <int...> struct Places {};
template <int K, int... k> struct PlacesUpTo : PlacesUpTo<K - 1, K - 1, k...> {};
template <int... k> struct PlacesUpTo<0, k...> { using type = Places<k...>; };
template <int K> constexpr typename PlacesUpTo<K>::type places() { return {}; }

}  // namespace tm

#endif
