// Work spread over threads that live for one call: some 20 µs each, and nothing that idles or spins between calls.
#ifndef TORCHMASS_THREADS_H
#define TORCHMASS_THREADS_H

#include <cstdint>

// As <pthread.h> has them where a thread is named by a word, on Linux and macOS; that header itself brings the C
// library's `struct tm`, which cannot stand beside our namespace.
#define TM_EXPORT extern "C" __attribute__((visibility("default")))
TM_EXPORT int pthread_create(std::uintptr_t *thread, const void *attributes, void *(*begin)(void *), void *given);
TM_EXPORT int pthread_join(std::uintptr_t thread, void **result);

namespace tm {

template <class Work> struct Share {
    const Work *work;
    int64_t from, to;
    int thread;
    std::uintptr_t id;
    static void *begin(void *given) {
        const Share &share = *static_cast<Share *>(given);
        (*share.work)(share.from, share.to, share.thread);
        return nullptr;
    }
};

// work(from, to, thread) over 0 … count − 1 in as many shares; what cannot have a thread of its own runs here
template <class Work> void spread(int64_t threads, int64_t count, const Work &work) {
    constexpr int most = 256;
    const int n = int(threads < count ? (threads < most ? threads : most) : count);
    Share<Work> shares[most];
    bool started[most];
    for (int i = n - 1; i >= 0; --i) {
        shares[i] = {&work, count * i / n, count * (i + 1) / n, i, 0};
        started[i] = i > 0 && pthread_create(&shares[i].id, nullptr, Share<Work>::begin, &shares[i]) == 0;
        if (!started[i]) Share<Work>::begin(&shares[i]);
    }
    for (int i = 1; i < n; ++i)
        if (started[i]) pthread_join(shares[i].id, nullptr);
}

template <int...> struct Places {};
template <int K, int... k> struct PlacesUpTo : PlacesUpTo<K - 1, K - 1, k...> {};
template <int... k> struct PlacesUpTo<0, k...> { using type = Places<k...>; };
template <int K> constexpr typename PlacesUpTo<K>::type places() { return {}; }

}  // namespace tm

#endif
