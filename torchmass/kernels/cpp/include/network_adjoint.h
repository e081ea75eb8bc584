// The adjoint of the time loop of networks, included after the struct `Step` as network.h is.
#ifndef TORCHMASS_NETWORK_ADJOINT_H
#define TORCHMASS_NETWORK_ADJOINT_H

#include "fellows.h"
#include "simulation_back.h"

struct Backward : Fellows<SimulationBack> {
    using Fellows::Fellows;

    void run() {
        for (int64_t t = r.steps - 1; t >= 0 && some(); --t) {
            each([&](SimulationBack &s) { s.start(t); });
            phases(t, tm::places<Step::phases>());
            each([&](SimulationBack &s) { s.end(t); });
        }
        each([](SimulationBack &s) { s.finish(); });
    }
    template <int... p> void phases(int64_t t, tm::Places<p...>) { (phase<p>(t), ...); }
    template <int p> void phase(int64_t t) {
        each([&](SimulationBack &s) { s.template phase<p>(t); });
        for (int k = 0; k < Step::arrivals; ++k) {
            if (Step::arrival[k].level != Step::phases - 1 - p) continue;
            if (Step::link[Step::arrival[k].link].form == tm::dense)
                products(Step::arrival[k].link, t, p, [&](SimulationBack &s) { return s.given_to(k, t); },
                         [&](SimulationBack &s) { return s.back_to(k); });
            each([&](SimulationBack &s) { s.arrival_back(k, t); });
        }
    }
};

TM_EXPORT void adjoint(const Run &r) {
    const bool common = shared(r);
    each_simulation(r, BackDesk(r, nullptr).size, true, [&](const Share &share) {
        Backward(r, share, [&](int64_t k, T *memory) {
            return new SimulationBack(r, k, share.graph, memory, share.member, common ? share.place : k);
        }).run();
    });
}

#endif
