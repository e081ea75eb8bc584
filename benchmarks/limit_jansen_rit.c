/* Jansen-Rit and its adjoint by hand, with a Heun step, in float32.
 *
 * States are [block][state][lane], the path [block][step][state][lane].
 */
#include "limit.h"

enum { STATES = 6, SUMS = 14, MOST = LANES == 16 ? 3 : 2 }; /* blocks in a group; more overlap no better */
struct jansen_rit { float Ae, Ai, be, bi, C, a1, a2, a3, a4, s_max, v0, r; };

/* What is constant in time; slopes are times dt, which is in ms, and Jansen-Rit's own time is in seconds. The states
 * are pairs (x, x'): x'' = rate * sigmoid - first * x' - second * x, where the sigmoid is 1 / (1 + 2^(zero - per * x)).
 */
struct constants { v h, half_h, drive, zero, per_u, per_M1, per_M3, rate[3], first[3], second[3], steep[3]; };

INLINE struct constants prepared(float dt, const struct jansen_rit *q) {
    const float h = 1e-3f * dt, k = 1.44269504f * q->r, e = h * q->be, i = h * q->bi;
    const float rate0 = e * q->Ae * q->s_max, rate1 = rate0 * q->C * q->a2, rate2 = i * q->Ai * q->s_max * q->C * q->a4;
    return (struct constants){
        .h = ALL(h), .half_h = ALL(0.5f * h), .drive = ALL(e * q->Ae), .zero = ALL(k * q->v0),
        .per_u = ALL(k), .per_M1 = ALL(k * q->C * q->a1), .per_M3 = ALL(k * q->C * q->a3),
        .rate = {ALL(rate0), ALL(rate1), ALL(rate2)},
        .first = {ALL(2 * e), ALL(2 * e), ALL(2 * i)}, .second = {ALL(e * q->be), ALL(e * q->be), ALL(i * q->bi)},
        .steep = {ALL(rate0 * q->r), ALL(rate1 * q->r * q->C * q->a1), ALL(rate2 * q->r * q->C * q->a3)}};
}

/* the three sigmoids */
INLINE void fire(const struct constants *c, v u, v M, v *S) {
    S[0] = logistic(c->zero - c->per_u * u);
    S[1] = logistic(c->zero - c->per_M1 * M);
    S[2] = logistic(c->zero - c->per_M3 * M);
}

/* the slope of pair i after an Euler step; `drive` is the input times its gain */
INLINE v later(const struct constants *c, int i, v drive, v S, const v *s) {
    const v held = s[i + 3] - c->first[i] * s[i + 3] - c->second[i] * s[i];
    return i == 1 ? held + drive + c->rate[i] * S : held + c->rate[i] * S;
}

/* a Heun step of pair i, with its sigmoid at both ends; `half`: the constants with halved rates */
INLINE void heun_pair(const struct constants *c, const struct constants *half, int i, v drive, v S, v R, v *s) {
    const v x = s[i] + c->h * s[i + 3], slope = later(c, i, drive, S, s), both = s[i + 3] + slope;
    s[i] += c->half_h * both;
    s[i + 3] = 0.5f * both - half->first[i] * slope - half->second[i] * x + half->rate[i] * R;
    if (i == 1) s[i + 3] += 0.5f * drive;
}

/* A Heun step. The sigmoids of its second stage need not wait for those of the first, which change slopes only. */
INLINE v heun(const struct constants *c, const struct constants *half, v drive, v u, v *s) {
    v S[3], R[3];
    fire(c, u, s[0], S), fire(c, u + c->h * (s[4] - s[5]), s[0] + c->h * s[3], R);
    heun_pair(c, half, 0, drive, S[0], R[0], s);
    heun_pair(c, half, 1, drive, S[1], R[1], s);
    heun_pair(c, half, 2, drive, S[2], R[2], s);
    return s[1] - s[2];
}

/* path: null, or of the first block, `length` vectors from one block to the next */
INLINE void jansen_rit_group(const int n, long width, long steps, const struct constants *c,
                             const struct constants *half, const v *input, v *restrict state, v *restrict path,
                             long length, float *restrict out) {
    v s[MOST][STATES], drive[MOST], u[MOST];
    EACH for (int i = 0; i < STATES; i++) s[g][i] = state[g * STATES + i];
    EACH drive[g] = c->drive * input[g], u[g] = s[g][1] - s[g][2];
    for (long t = 0; t < steps; t++, out += width) EACH {
        if (path) for (int i = 0; i < STATES; i++) path[g * length + t * STATES + i] = s[g][i];
        u[g] = heun(c, half, drive[g], u[g], s[g]);
        put(out + g * LANES, width, u[g]);
    }
    EACH for (int i = 0; i < STATES; i++) state[g * STATES + i] = s[g][i];
    if (path) EACH for (int i = 0; i < STATES; i++) path[g * length + steps * STATES + i] = s[g][i];
}

/* state: overwritten; path: the states before each step and at the end, if not null; out: E - I after each step */
void jansen_rit(int threads, long blocks, long steps, float dt, const struct jansen_rit *q, const float *input,
                float *state, float *path, float *out) {
    const long length = (steps + 1) * STATES;
    const v *in = (const v *)input;
    v *start = (v *)state, *kept = (v *)path;
    const struct constants c = prepared(dt, q);
    struct constants half = c;
    for (int i = 0; i < 3; i++) half.rate[i] *= 0.5f, half.first[i] *= 0.5f, half.second[i] *= 0.5f;
#define GROUP(n, path) \
    jansen_rit_group(n, width, steps, &c, &half, in + b, start + b * STATES, path, length, out + b * LANES)
#define RUN(n) if (n > MOST) break; else if (kept) GROUP(n, kept + b * length); else GROUP(n, 0)
    SPLIT(MOST, RUN)
}

/* The adjoint takes one block at a time: from here on gcc mixes the sigmoids of a step. Forward it must not: it would
 * mix the blocks, which then do not fit the registers. */
#pragma GCC optimize("schedule-insns", "sched-pressure")

/* l = from + J^T w for the slopes at s; sums: the products from which the gradient of the parameters is made */
INLINE void pull_back(const struct constants *c, const v *s, const v *S, const v *w, const v *from, v *l, v *sums) {
    v D[3];
    for (int i = 0; i < 3; i++) {
        const v fired = w[i + 3] * S[i];
        D[i] = fired - fired * S[i];
        l[i] = from[i] - c->second[i] * w[i + 3];
        l[i + 3] = from[i + 3] - c->first[i] * w[i + 3] + c->h * w[i];
        sums[i] += fired, sums[3 + i] += D[i];
    }
    l[0] += c->steep[1] * D[1] + c->steep[2] * D[2];
    l[1] += c->steep[0] * D[0], l[2] -= c->steep[0] * D[0];
    sums[6] += D[0] * (s[1] - s[2]), sums[7] += D[1] * s[0], sums[8] += D[2] * s[0], sums[9] += w[4];
    sums[10] += w[3] * s[3] + w[4] * s[4], sums[11] += w[3] * s[0] + w[4] * s[1];
    sums[12] += w[5] * s[5], sums[13] += w[5] * s[2];
}

INLINE void adjoint_block(long steps, const struct constants *c, v input, v weight, const v *path, v *restrict sums) {
    const v drive = c->drive * input;
    v l[STATES] = {}, total[SUMS] = {};
    for (const v *s = path + (steps - 1) * STATES; s >= path; s -= STATES) {
        const v pull = 2.f * weight * (s[STATES + 1] - s[STATES + 2]);
        l[1] += pull, l[2] -= pull;
        v half[STATES], w[STATES], mid[STATES], S[3], R[3];
        fire(c, s[1] - s[2], s[0], S);
        for (int i = 0; i < 3; i++) mid[i] = s[i] + c->h * s[i + 3], mid[i + 3] = later(c, i, drive, S[i], s);
        fire(c, mid[1] - mid[2], mid[0], R);
        for (int i = 0; i < STATES; i++) half[i] = 0.5f * l[i];
        pull_back(c, mid, R, half, half, w, total);
        for (int i = 0; i < STATES; i++) half[i] += w[i];
        pull_back(c, s, S, w, half, l, total);
    }
    total[9] *= input;
    for (int i = 0; i < SUMS; i++) sums[i] = total[i];
}

/* sums over the run for the loss sum(weight * out^2), 14 per block */
void jansen_rit_adjoint(int threads, long blocks, long steps, float dt, const struct jansen_rit *q, const float *input,
                        const float *path, const float *weight, float *sums) {
    const struct constants c = prepared(dt, q);
    const long length = (steps + 1) * STATES;
    const v *in = (const v *)input, *share = (const v *)weight, *kept = (const v *)path;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long b = 0; b < blocks; b++)
        adjoint_block(steps, &c, in[b], share[b], kept + b * length, (v *)sums + b * SUMS);
}
