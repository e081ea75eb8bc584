// The adjoint of the time loop of a network, included after the struct `Step` as network.h is: the exact derivative of
// its discrete steps, backwards.
//
// The forward loop wrote down the states before every step and all that arrived; with these a step is a matter of each
// node alone. What a node sent has its gradient from those that it reached: the same sums over the transposed graph,
// with time running backwards where there are delays. Gradients of weights and delays have no order in time, and are
// taken of many steps at once.
#ifndef TORCHMASS_NETWORK_ADJOINT_H
#define TORCHMASS_NETWORK_ADJOINT_H

#include "back_desk.h"
#include "population.h"

struct WayBack : Population, BackDesk {
    const Graph &graph;
    Record record;
    const int64_t copy;         // of the gradients of weights and delays
    Line line[Step::links][2];  // of what comes back to those who sent it, time running backwards
    Correlation correlation[Step::links][2];
    const T *at[Step::arrivals + 1];
    int64_t row, due;
    bool lost = false;

    TM_ONCE WayBack(const Run &r, int64_t simulation, const Graph &graph, T *base, tm::Member &member, int64_t copy)
        : Population(r, simulation, member), BackDesk(r, base), graph(graph),
          record(r, r.path + simulation * record_size(r, true), true), copy(copy) {
        for (int64_t k = size * member.rank / member.size; k < size * (member.rank + 1) / member.size; ++k) base[k] = 0;
        meet();
        for (int64_t v = own.from; v < own.to; ++v)
            for (int s = 0; s < Step::states; ++s)
                (r.g_end[s] ? take(r.g_end[s], v) : V(T(0))).store(g + s * width + v * L);
        for (int k = 0; k < Step::links; ++k)
            for (int set = 0; set < sets(k); ++set) open(k, set);
        row = r.steps > r.transient ? (r.steps - 1 - r.transient) / r.every : -1;
        due = r.transient + row * r.every;
    }
    using Population::take;
    bool gradient(int arrival) const { return r.g_weights[Step::arrival[arrival].link]; }
    double *weights(int link) const {
        const int64_t size = Step::link[link].form == tm::sparse ? r.counts[link] : r.nodes * r.nodes;
        return r.g_weights[link] ? r.g_weights[link] + copy * size : nullptr;
    }
    double *lags(int link) const { return r.g_lags[link] ? r.g_lags[link] + copy * r.nodes * r.nodes : nullptr; }

    TM_ONCE void open(int k, int set) {
        const int channels = Step::link[k].channels;
        Line &l = line[k][set];
        l.own = &own;
        l.nodes = r.nodes, l.width = width, l.channels = channels, l.reach = r.reach[k], l.room = room;
        l.mask = Line::ring_table - 1, l.past = past[k][set], l.rows = rows[k][set];
        l.add(set ? graph.middle[k] : graph.edges[k], table[k][set]);
        Correlation &c = correlation[k][set];
        c.own = &own;
        c.nodes = r.nodes, c.channels = channels, c.width = width, c.steps = r.steps, c.reach = r.reach[k];
        c.per_node = r.reach[k] + record.room, c.past = record.past[k], c.late = T(set ? 0.5 : 0);
        c.weights = r.weights[k] + simulation * r.apart[2 * k], c.lags = r.lags[k] + simulation * r.apart[2 * k + 1];
        c.to_weights = weights(k), c.to_lags = lags(k), c.back = correlated[k][set];
    }

    void run() {
        for (int64_t t = r.steps - 1; t >= 0 && own.some(); --t) {
            moment = t;
            if (t == due) {
                recorded(t);
                --row, due = row < 0 ? -1 : due - r.every;
            }
            if (!lost) watch(t);
            read(t);
            foresee(t - 6);
            phases(t, tm::places<Step::phases>());
            for (int k = 0; k < Step::links; ++k)
                if (sets(k)) late_back(k, t);
            send_back(t);
            for (int64_t k = 0; k < r.tails; ++k)
                if (t >= r.steps - r.tail_rows[k] && r.g_tail[k]) tail(k, t);
            if (r.horizon && t % r.horizon == 0 && t > 0) cut(t);
            if (t % tile == 0) flush(t);
        }
        finish();
    }
    // what was written down of a step before this one is asked for in time: it has left the nearer caches
    void foresee(int64_t t) {
        if (t < 0) return;
        for (int64_t i = own.from * L; i < own.to * L; i += line_of_cache) {
            for (int s = 0; s < Step::states; ++s) __builtin_prefetch(record.state(t) + s * width + i);
            for (int k = 0; k < Step::arrivals; ++k) __builtin_prefetch(at[k] + i - 6 * far_apart(k));
        }
    }
    // gradients of the recorded row of step t
    void recorded(int64_t t) {
        const T *x = record.state(t + 1);
        for (int64_t v = own.from; v < own.to; ++v) {
            for (int s = 0; s < Step::states; ++s)
                if (r.g_out[s]) add(g + s * width + v * L, take(r.g_out[s] + row * r.lanes, v));
            if (const T *given = r.g_out[Step::states]) output_back(x, v, take(given + row * r.lanes, v));
        }
    }
    void output_back(const T *x, int64_t v, V given) {
        V now[Step::states], back[Step::states], sums[Step::sums + 1];
        load(now, x, v, Step::states), load(back, g, v, Step::states), load(sums, part, v, Step::sums);
        Step::output_back(fixed(v), now, given, back, sums);
        save(g, v, back, Step::states), save(part, v, sums, Step::sums);
    }
    // notes the last step after which the gradient of a state is not finite
    void watch(int64_t t) {
        V sums(T(0));
        for (int s = 0; s < Step::states; ++s)
            for (int64_t v = own.from; v < own.to; ++v) sums += V::load(g + s * width + v * L) * V(T(0));
        for (int l = 0; l < L; ++l) lost |= sums[l] != sums[l];
        if (lost) note(t);
    }
    TM_ONCE void note(int64_t t) {
        for (int state = 0; state < Step::states; ++state)
            for (int64_t i = own.begin; i < own.end; ++i)
                if (const T found = g[state * width + i]; found - found != 0) r.lose(t, state);
    }
    // what arrived in step t
    void read(int64_t t) {
        const T *here = record.arrived(t);
        for (int k = 0; k < Step::arrivals; ++k) {
            const tm::ArrivalForm a = Step::arrival[k];
            const int channels = Step::link[a.link].channels;
            if (Step::link[a.link].form != tm::late) at[k] = here, here += width;
            else
                at[k] = record.table[a.link][a.c == 0.5] + ((t + (a.c == 1)) * channels + a.channel) * width;
        }
    }
    int64_t far_apart(int k) const {
        const tm::LinkForm link = Step::link[Step::arrival[k].link];
        return (link.form == tm::late ? link.channels : own_arrivals()) * width;
    }
    template <int... p> void phases(int64_t t, tm::Places<p...>) { (phase<p>(t), ...); }
    template <int p> void phase(int64_t t) {
        const T *x = record.state(t);
        constexpr int last = Step::phases - 1;
        T *found_back = ga[t & 1];
        for (int64_t v = own.from; v < own.to; ++v) {
            V now[Step::states], back[Step::states], a[Step::arrivals + 1], found[Step::arrivals + 1];
            V later_now[Step::later + 1], given[Step::later + 1], c[Step::kept_back + 1], sums[Step::sums + 1];
            V inputs[Step::timed + 1];
            load(now, x, v, Step::states), load(back, g, v, Step::states), load(sums, part, v, Step::sums);
            load(given, later_back, v, Step::later), load(c, kept, v, Step::kept_back);
            for (int k = 0; k < Step::arrivals; ++k) a[k] = V::load(at[k] + v * L);
            if (p == 0) feed[v].to(r, t);
            Step::back(tm::Phase<p>(), fixed(v), now, &feed[v].u[0], &feed[v].z[0], a, given, back, found, inputs,
                       later_now, c, sums);
            if (p == 0) save(later, v, later_now, Step::later);
            for (int k = 0; k < Step::arrivals; ++k)
                if (Step::arrival[k].level == last - p) found[k].store(found_back + k * width + v * L);
            if (p < last) save(kept, v, c, Step::kept_back);
            else {
                save(g, v, back, Step::states);
                for (int k = 0; k < Step::timed; ++k) put(r.each[k] + t * r.lanes, v, inputs[k]);
            }
            save(part, v, sums, Step::sums);
        }
        if (waits(last - p)) meet();
        for (int k = 0; k < Step::arrivals; ++k)
            if (Step::arrival[k].level == last - p) arrival_back(k, t);
    }
    // from what arrived to what was sent for it
    void arrival_back(int k, int64_t t) {
        const tm::ArrivalForm a = Step::arrival[k];
        const int form = Step::link[a.link].form;
        const T *given = ga[t & 1] + k * width;
        T *to = a.later < 0 ? sent_back + (Step::link[a.link].first + a.channel) * width : later_back + a.later * width;
        if (form == tm::total) {
            double total = 0;
            for (int64_t i = 0; i < r.nodes; ++i) total += double(given[i]);
            for (int64_t v = own.from; v < own.to; ++v) V(T(total)).store(to + v * L);
        }
        if (form == tm::dense) product(graph.matrix[a.link], width, r.nodes, given, to, own);
        if (form == tm::sparse) graph.sparse[a.link].product(given, to, own.from, own.to);
        if (tm::at_once(form) && gradient(k)) keep(k, a, t, given);
        if (form == tm::mixed) soon_back(a, t, given, to);
    }
    // what the gradient of the weights is made of
    void keep(int k, const tm::ArrivalForm &a, int64_t t, const T *given) {
        const int64_t place = t % tile * width;
        for (int64_t v = own.from; v < own.to; ++v) {
            V::load(given + v * L).store(back_rows[k] + place + v * L);
            V now[Step::states], out[Step::sends + 1];
            if (a.later >= 0) out[0] = V::load(later + a.later * width + v * L);
            else load(now, record.state(t), v, Step::states), Step::send(fixed(v), now, out);
            out[a.later < 0 ? Step::link[a.link].first + a.channel : 0].store(sent_rows[k] + place + v * L);
        }
    }
    T *carry(int link, int64_t t) const { return carried[link] + (t & 3) * Step::link[link].channels * width; }
    T sent_at(int link, int64_t channel, int64_t node, int64_t t) const {
        return record.past[link][(channel * r.nodes + node) * (r.reach[link] + record.room) + r.reach[link] + t];
    }
    void soon_back(const tm::ArrivalForm &a, int64_t t, const T *given, T *stage_back) {
        double *to_weights = weights(a.link), *to_lags = lags(a.link);
        const Shorts &shorts = graph.shorts[a.link];
        T *now_back = carry(a.link, t) + a.channel * width;
        if (a.later >= 0)
            own.clear(stage_back, 1, width);
        if (shorts.self) {
            T *to = a.later < 0 ? now_back : stage_back;
            const int64_t past = r.reach[a.link] + record.room, skip = a.channel * r.nodes;
            const T *stage = a.later < 0 ? record.past[a.link] + skip * past + r.reach[a.link] + t : later + a.later * width;
            for (int64_t i = own.from * L; i < own.to * L; i += L) add(to + i, V::load(shorts.self + i) * V::load(given + i));
            for (int64_t i = own.begin; to_weights && i < own.end; ++i)
                own_sum[a.link][i] += given[i] * stage[a.later < 0 ? i * past : i];
        }
        for (int64_t k = shorts.bound[own.begin]; k < shorts.bound[own.end]; ++k) {
            const Short &e = shorts.all[k];
            const Reading read = e.at[Short::place(a.c)];
            const bool ahead = read.back < 0;
            const int64_t near = t - (ahead ? 0 : read.back), far = near - 1, pair = e.to * r.nodes + e.from;
            const T now = sent_at(a.link, a.channel, e.from, near), share = e.weight * given[e.to];
            const T other = ahead ? later[a.later * width + e.from] : sent_at(a.link, a.channel, e.from, far);
            (ahead ? stage_back : carry(a.link, far) + a.channel * width)[e.from] += share * read.part;
            carry(a.link, near)[a.channel * width + e.from] += share * (1 - read.part);
            if (to_weights) to_weights[pair] += double(given[e.to]) * double(now + read.part * (other - now));
            if (to_lags) to_lags[pair] += double(share) * double(ahead ? (now - other) / T(a.c) : other - now);
        }
    }
    // what came back in step t joins the line that leads to those who sent it
    void late_back(int k, int64_t t) {
        for (int set = 0; set < sets(k); ++set) {
            Line &l = line[k][set];
            const int64_t before = r.steps - t - 1;  // the time of the line that is step t + 1
            T *next = l.row(before), *now = l.row(before + 1);
            join(k, set, 1, t, next);
            correlation[k][set].add(t + 1, next);
            push(l, before + 1);
            own.clear(now, Step::link[k].channels, width);
            join(k, set, set ? 0.5 : 0, t, now);
            if (t == 0) correlation[k][set].add(0, now);
        }
    }
    void join(int link, int set, double c, int64_t t, T *to) const {
        for (int k = 0; k < Step::arrivals; ++k) {
            const tm::ArrivalForm a = Step::arrival[k];
            if (a.link != link || a.c != c || (set && c == 1)) continue;
            for (int64_t i = own.from * L; i < own.to * L; i += L)
                add(to + a.channel * width + i, V::load(ga[t & 1] + k * width + i));
        }
    }
    void send_back(int64_t t) {
        for (int k = 0; k < Step::links; ++k)
            for (int c = 0; c < Step::link[k].channels && sets(k); ++c) {
                T *to = sent_back + (Step::link[k].first + c) * width, *over = carry(k, t) + c * width;
                for (int64_t i = own.from * L; i < own.to * L; ++i) to[i] = over[i], over[i] = 0;
                for (int set = 0; set < sets(k); ++set)
                    for (int64_t i = own.from * L; i < own.to * L; i += L)
                        add(to + i, V::load(line[k][set].out(0, r.steps - t) + c * width + i));
            }
        for (int64_t v = own.from; v < own.to; ++v) {
            V now[Step::states], back[Step::states], sums[Step::sums + 1], given[Step::sends + 1];
            load(now, record.state(t), v, Step::states), load(back, g, v, Step::states), load(sums, part, v, Step::sums);
            load(given, sent_back, v, Step::sends);
            Step::send_back(fixed(v), now, given, back, sums);
            save(g, v, back, Step::states), save(part, v, sums, Step::sums);
        }
    }
    TM_ONCE void tail(int64_t k, int64_t t) {
        const T *given = r.g_tail[k] + (t - (r.steps - r.tail_rows[k])) * r.lanes;
        for (int64_t v = own.from; v < own.to; ++v)
            if (r.tail_of[k] == Step::states) output_back(record.state(t), v, take(given, v));
            else add(g + r.tail_of[k] * width + v * L, take(given, v));
    }
    // gradients are not carried back beyond step t
    TM_ONCE void cut(int64_t t) {
        meet();
        own.clear(g, Step::states, width);
        for (int k = 0; k < Step::links; ++k) {
            if (sets(k)) own.clear(carried[k], 4 * Step::link[k].channels, width);
            for (int set = 0; set < sets(k); ++set) {
                correlation[k][set].add(t, line[k][set].row(r.steps - t));
                line[k][set].forget(r.steps - t);
            }
        }
    }
    // what has been added up goes on in double; `t` is a multiple of a tile
    void flush(int64_t t) {
        for (int k = 0; k < Step::sums; ++k)
            for (int64_t i = k * width + own.from * L; i < k * width + own.to * L; ++i) sum[i] += double(part[i]), part[i] = 0;
        for (int k = 0; k < Step::links; ++k)
            for (int64_t i = own.begin; sets(k) && weights(k) && graph.shorts[k].self && i < own.end; ++i)
                weights(k)[i * (r.nodes + 1)] += double(own_sum[k][i]), own_sum[k][i] = 0;
        const int64_t count = r.steps - t < tile ? r.steps - t : tile;
        for (int k = 0; k < Step::arrivals; ++k) {
            const int link = Step::arrival[k].link, form = Step::link[link].form;
            if (!tm::at_once(form) || !gradient(k)) continue;
            if (form == tm::sparse)
                for (int both = 0; both < 2; ++both)
                    turn(turned[both], both ? sent_rows[k] : back_rows[k], width, count, tile, own.from, own.to);
            meet();
            if (form == tm::dense) outer(weights(link), r.nodes, back_rows[k], sent_rows[k], width, count, own);
            else correlate(graph.sparse[link], weights(link), turned[0], turned[1], tile, own.begin, own.end);
            meet();
        }
    }
    TM_ONCE void finish() {
        for (int k = 0; k < Step::links; ++k)
            if (sets(k) && r.g_before[k]) before_back(k);
        for (int64_t v = own.from; v < own.to; ++v) {
            for (int s = 0; s < Step::states; ++s) put(r.g_x0[s], v, V::load(g + s * width + v * L));
            for (int l = 0; l < lanes(v); ++l) {
                double total[Step::sums + 1], found[Step::wanted + 1];
                for (int k = 0; k < Step::sums; ++k) total[k] = sum[k * width + v * L + l];
                Step::close(constants[v].leaf[l], r.dt, total, found);
                for (int k = 0; k < Step::wanted; ++k) r.sums[k * r.lanes + first + v * L + l] = found[k];
            }
        }
    }
    // the gradient of what was sent before the run, [row][simulation][channel][node]
    TM_ONCE void before_back(int k) {
        const int channels = Step::link[k].channels;
        const int64_t inner = channels * r.nodes, simulations = r.lanes / r.nodes;
        for (int64_t back = 1; back <= r.reach[k]; ++back) {
            T *to = r.g_before[k] + ((r.reach[k] - back) * simulations + simulation) * inner;
            for (int c = 0; c < channels; ++c)
                for (int64_t i = own.begin; i < own.end; ++i)
                    to[c * r.nodes + i] = back < 3 ? carry(k, -back)[c * width + i] : 0;
            for (int set = 0; set < sets(k); ++set) {
                Line &l = line[k][set];
                const int64_t now = r.steps + back;
                push(l, now);
                own.clear(l.row(now), channels, width);
                for (int c = 0; c < channels; ++c)
                    for (int64_t i = own.begin; i < own.end; ++i) to[c * r.nodes + i] += l.out(0, now)[c * width + i];
            }
        }
    }
};

TM_EXPORT void adjoint(const Run &r) {
    const bool common = shared(r);
    const int64_t size = BackDesk(r, nullptr).size;
    each_simulation(r, size, true, [&](int64_t k, const Graph &graph, tm::Member &member, T *memory, int64_t place) {
        WayBack(r, k, graph, memory, member, common ? place : k).run();
    });
}

#endif
