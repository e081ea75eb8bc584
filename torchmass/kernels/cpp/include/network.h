// The time loop of networks. The generated file defines T and Step, and includes this; see exchange.h for its links.
#ifndef TORCHMASS_NETWORK_H
#define TORCHMASS_NETWORK_H

#include "fellows.h"
#include "simulation.h"

struct Forward : Fellows<Simulation> {
    using Fellows::Fellows;

    void run() {
        each([](Simulation &s) { s.start(); });
        int64_t due = r.transient, row = 0;
        for (int64_t t = 0; t < r.steps && some(); ++t) {
            each([&](Simulation &s) { s.send(t); });
            gather<0>(t);
            phases(t, tm::places<Step::phases>());
            if (t == due) {
                each([&](Simulation &s) { s.write(t, row); });
                ++row, due += r.every;
            }
        }
        each([](Simulation &s) { s.finish(); });
    }
    template <int... p> void phases(int64_t t, tm::Places<p...>) { (phase<p>(t), ...); }
    template <int p> void phase(int64_t t) {
        if (p) gather<p>(t);
        each([&](Simulation &s) { s.template phase<p>(t); });
    }
    // what arrives at a stage
    template <int level> void gather(int64_t t) {
        if (graph.waits(level)) each([](Simulation &s) { s.meet(); });
        for (int k = 0; k < Step::arrivals; ++k) {
            if (Step::arrival[k].level != level) continue;
            if (Step::link[Step::arrival[k].link].form == tm::dense)
                products(Step::arrival[k].link, t, level, [&](Simulation &s) { return s.sent_for(k, t); },
                         [&](Simulation &s) { return s.record.arrived(t, k); });
            each([&](Simulation &s) { s.arrive(k, t); });
        }
    }
};

TM_EXPORT void forward(const Run &r) {
    const int64_t size = record_size(r, r.path != nullptr), desk = Desk(r, nullptr).size;
    each_simulation(r, desk + (r.path ? 0 : size), false, [&](const Share &share) {
        Forward(r, share, [&](int64_t k, T *memory) {
            return new Simulation(r, k, share.graph, r.path ? r.path + k * size : memory + desk, memory, share.member);
        }).run();
    });
}

#endif
