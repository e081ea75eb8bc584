// The way back through links, from what arrived to those who sent it: the same sums over the transposed graph, with time
// running backwards where there are delays. Gradients of weights and delays have no order in time, and are taken of many
// steps at once.
#ifndef TORCHMASS_BACK_LINKS_H
#define TORCHMASS_BACK_LINKS_H

#include "way_back.h"

struct BackLinks : WayBack {
    using WayBack::WayBack;

    // what came back from an arrival, and where it goes to
    const T *given_to(int k, int64_t t) const { return returning(k, t); }
    T *back_to(int k) const {
        const tm::ArrivalForm a = Step::arrival[k];
        return a.later < 0 ? sent_back + (Step::link[a.link].first + a.channel) * width : later_back + a.later * width;
    }
    // from what arrived to what was sent for it; a product with the weights is there already
    void arrival_back(int k, int64_t t) {
        const tm::ArrivalForm a = Step::arrival[k];
        const int form = Step::link[a.link].form;
        const T *given = given_to(k, t);
        T *to = back_to(k);
        if (form == tm::total) sum_up(given, to);
        if (form == tm::sparse) graph.sparse[a.link].product(given, to, own.from, own.to);
        if (a.later >= 0 && tm::at_once(form) && gradient(k)) keep(k, t, t + 1, own);
        if (form == tm::mixed) soon_back(a, t, given, to);
    }
    // where that of step t is which was sent for an arrival
    T *sent_row(int k, int64_t t) const { return sent_rows[k] + (t & (turns - 1)) * width; }
    // what some sent for an arrival of steps `from` … `to` − 1, for the gradient of the weights
    void keep(int k, int64_t from, int64_t to, const Own &some) {
        for (int64_t t = from; t < to; ++t)
            for (int64_t v = some.from; v < some.to; ++v) sent(Step::arrival[k], v, t).store(sent_row(k, t) + v * L);
    }
    // what vector v sent for an arrival of step t at once
    V sent(const tm::ArrivalForm &a, int64_t v, int64_t t) const {
        if (a.later >= 0) return V::load(later + a.later * width + v * L);
        V now[Step::states], out[Step::sends + 1];
        load(now, record.state(t), v, Step::states);
        Step::send(fixed(v), now, out);
        return out[Step::link[a.link].first + a.channel];
    }
    void soon_back(const tm::ArrivalForm &a, int64_t t, const T *given, T *stage_back) {
        double *to_weights = weights(a.link), *to_lags = lags(a.link);
        const Shorts &shorts = graph.shorts[a.link];
        T *now_back = carry(a.link, t) + a.channel * width;
        if (a.later >= 0)
            own.clear(stage_back, 1, width);
        if (shorts.self) {
            T *to = a.later < 0 ? now_back : stage_back;
            for (int64_t v = own.from; v < own.to; ++v) {
                const V one = V::load(given + v * L);
                add(to + v * L, V::load(shorts.self + v * L) * one);
                if (to_weights) add(own_sum[a.link] + v * L, one * sent(a, v, t));
            }
        }
        for (int64_t k = shorts.bound[own.begin]; k < shorts.bound[own.end]; ++k) {
            const Short &e = shorts.all[k];
            const Reading read = e.at[Short::place(a.c)];
            const bool ahead = read.back < 0;
            const int64_t near = t - (ahead ? 0 : read.back), far = near - 1;
            const T now = sent_at(a.link, a.channel, e.from, near), share = e.weight * given[e.to];
            const T other = ahead ? later[a.later * width + e.from] : sent_at(a.link, a.channel, e.from, far);
            (ahead ? stage_back : carry(a.link, far) + a.channel * width)[e.from] += share * read.part;
            carry(a.link, near)[a.channel * width + e.from] += share * (1 - read.part);
            if (to_weights) to_weights[e.pair] += double(given[e.to]) * double(now + read.part * (other - now));
            if (to_lags) to_lags[e.pair] += double(share) * double(ahead ? (now - other) / T(a.c) : other - now);
        }
    }
    // what came back in step t joins the line that leads to those who sent it
    void late_back(int k, int64_t t) {
        for (int set = 0; set < sets(k); ++set) {
            Line &l = line[k][set];
            const int64_t before = r.steps - t - 1;  // the time of the line that is step t + 1
            T *next = l.row(before), *now = l.row(before + 1);
            join(k, set, 1, t, next);
            push(l, before + 1);
            correlation[k][set].take(l, before + 1);
            own.clear(now, Step::link[k].channels, width);
            join(k, set, set ? 0.5 : 0, t, now);
            if (t > 0) continue;
            if (graph.apart) meet();
            correlation[k][set].finish(l);
        }
    }
    void join(int link, int set, double c, int64_t t, T *to) const {
        for (int k = 0; k < Step::arrivals; ++k) {
            const tm::ArrivalForm a = Step::arrival[k];
            if (a.link != link || a.c != c || (set && c == 1)) continue;
            for (int64_t i = own.from * L; i < own.to * L; i += L)
                add(to + a.channel * width + i, V::load(returning(k, t) + i));
        }
    }
    // what came back beyond step t is as if it had been 0
    TM_ONCE void forget(int64_t t) {
        for (int k = 0; k < Step::links; ++k) {
            if (sets(k)) own.clear(carried[k], 4 * Step::link[k].channels, width);
            for (int set = 0; set < sets(k); ++set) correlation[k][set].take_rest(line[k][set], r.steps - t);
        }
        if (graph.apart) meet();
        for (int k = 0; k < Step::links; ++k)
            for (int set = 0; set < sets(k); ++set) line[k][set].forget(r.steps - t);
    }
    // the gradients of weights over the steps from t on that are not in them yet; where that is apart, after a meeting
    void sum_weights(int64_t t) {
        for (int k = 0; k < Step::links; ++k)
            for (int64_t i = own.begin; sets(k) && weights(k) && graph.shorts[k].self && i < own.end; ++i)
                if (const int64_t pair = graph.shorts[k].own[i]; pair >= 0)
                    weights(k)[pair] += double(own_sum[k][i]), own_sum[k][i] = 0;
        for (int k = 0; k < Step::arrivals; ++k) {
            const int link = Step::arrival[k].link, form = Step::link[link].form;
            const int64_t most = kept_steps(form), count = Own::least(r.steps - t, most);
            if (!tm::at_once(form) || !gradient(k) || t % most) continue;
            const Rows back{returning(k, t), Step::arrivals * width}, sent{sent_row(k, t), width};
            if (Step::arrival[k].later < 0) keep(k, t, t + count, early);
            if (form == tm::sparse) {
                turn(turned[0], back, count, most, early.from, early.to);
                turn(turned[1], sent, count, most, early.from, early.to);
            }
            if (!graph.apart) meet();
            if (form == tm::dense) outer(weights(link), r.nodes, back, sent, count, early);
            else
                correlate<kept_steps(tm::sparse)>(graph.sparse[link], weights(link), turned[0], turned[1], early.begin,
                                                  early.end);
            if (!graph.apart) meet();
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

#endif
