/* Jansen-Rit and its adjoint by hand, with a Heun step, in float32.
 *
 * States are [block][state][lane], the path [block][step][state][lane].
 */
#include "limit.h"

enum { STATES = 6, SUMS = 16, MOST = 2 }; /* blocks in a group; with 3, registers run out */
struct jansen_rit { float Ae, Ai, be, bi, C, a1, a2, a3, a4, s_max, v0, r; };

/* what is constant in time; slopes are times dt, which is in ms, and Jansen-Rit's own time is in seconds */
struct constants { v h, zero, per_u, per_M1, per_M3, rate0, rate1, rate2, e1, e2, i1, i2; };

INLINE struct constants prepared(float dt, const struct jansen_rit *q) {
    const float h = 1e-3f * dt, k = 1.44269504f * q->r, Abe = h * q->Ae * q->be, Abi = h * q->Ai * q->bi;
    return (struct constants){
        ALL(h), ALL(k * q->v0), ALL(k), ALL(k * q->C * q->a1), ALL(k * q->C * q->a3),
        ALL(Abe * q->s_max), ALL(Abe * q->s_max * q->C * q->a2), ALL(Abi * q->s_max * q->C * q->a4),
        ALL(2 * h * q->be), ALL(h * q->be * q->be), ALL(2 * h * q->bi), ALL(h * q->bi * q->bi)};
}

/* the three sigmoids */
INLINE void fire(const struct constants *c, const v *s, v *S) {
    S[0] = logistic(c->zero - c->per_u * (s[1] - s[2]));
    S[1] = logistic(c->zero - c->per_M1 * s[0]);
    S[2] = logistic(c->zero - c->per_M3 * s[0]);
}

/* the slopes; `u` is the input times its gain */
INLINE void slope(const struct constants *c, v u, const v *s, const v *S, v *d) {
    d[0] = c->h * s[3], d[1] = c->h * s[4], d[2] = c->h * s[5];
    d[3] = c->rate0 * S[0] - c->e1 * s[3] - c->e2 * s[0];
    d[4] = c->rate1 * S[1] + u - c->e1 * s[4] - c->e2 * s[1];
    d[5] = c->rate2 * S[2] - c->i1 * s[5] - c->i2 * s[2];
}

/* path: null, or of the first block, `length` vectors from one block to the next */
INLINE void jansen_rit_group(const int n, long width, long steps, float dt, const struct jansen_rit *q, const v *input,
                             v *state, v *path, long length, float *out) {
    const struct constants c = prepared(dt, q);
    v s[MOST][STATES], u[MOST], S[3];
    EACH u[g] = c.h * q->Ae * q->be * input[g];
    EACH for (int i = 0; i < STATES; i++) s[g][i] = state[g * STATES + i];
    for (long t = 0; t < steps; t++, out += width) {
        v k1[MOST][STATES], k2[MOST][STATES], mid[MOST][STATES];
        if (path) EACH for (int i = 0; i < STATES; i++) path[g * length + t * STATES + i] = s[g][i];
        EACH fire(&c, s[g], S), slope(&c, u[g], s[g], S, k1[g]);
        EACH for (int i = 0; i < STATES; i++) mid[g][i] = s[g][i] + k1[g][i];
        EACH fire(&c, mid[g], S), slope(&c, u[g], mid[g], S, k2[g]);
        EACH for (int i = 0; i < STATES; i++) s[g][i] += 0.5f * (k1[g][i] + k2[g][i]);
        EACH ((v *)out)[g] = s[g][1] - s[g][2];
    }
    EACH for (int i = 0; i < STATES; i++) state[g * STATES + i] = s[g][i];
    if (path) EACH for (int i = 0; i < STATES; i++) path[g * length + steps * STATES + i] = s[g][i];
}

/* g += J^T h for the slopes at s; sums: the products from which the gradient of the parameters is made */
INLINE void pull_back(const struct constants *c, const struct jansen_rit *q, v input, const v *s, const v *S,
                      const v *w, v *g, v *sums) {
    const v u = s[1] - s[2], h3 = c->h * w[3], h4 = c->h * w[4], h5 = c->h * w[5];
    const v D0 = h3 * S[0] * (1.f - S[0]), D1 = h4 * S[1] * (1.f - S[1]), D2 = h5 * S[2] * (1.f - S[2]);
    const v e = q->Ae * q->be * q->s_max * q->r * D0, be2 = ALL(q->be * q->be);
    g[0] += q->Ae * q->be * q->C * q->a2 * q->s_max * q->r * q->C * q->a1 * D1 - be2 * h3;
    g[0] += q->Ai * q->bi * q->C * q->a4 * q->s_max * q->r * q->C * q->a3 * D2;
    g[1] += e - be2 * h4;
    g[2] -= e + q->bi * q->bi * h5;
    g[3] += c->h * w[0] - 2 * q->be * h3;
    g[4] += c->h * w[1] - 2 * q->be * h4;
    g[5] += c->h * w[2] - 2 * q->bi * h5;
    const v part[SUMS] = {h3 * S[0],  D0,        D0 * u,    h3 * s[3], h3 * s[0], h4 * S[1], D1,        D1 * s[0],
                          h4 * input, h4 * s[4], h4 * s[1], h5 * S[2], D2,        D2 * s[0], h5 * s[5], h5 * s[2]};
    for (int i = 0; i < SUMS; i++) sums[i] += part[i];
}

INLINE void adjoint_block(long steps, float dt, const struct jansen_rit *q, v input, v weight, const v *path, v *sums) {
    const struct constants c = prepared(dt, q);
    const v u = c.h * q->Ae * q->be * input;
    v l[STATES] = {}, total[SUMS] = {};
    for (const v *x = path + (steps - 1) * STATES; x >= path; x -= STATES) {
        const v pull = 2.f * weight * (x[STATES + 1] - x[STATES + 2]);
        l[1] += pull, l[2] -= pull;
        v k1[STATES], mid[STATES], w[STATES], g[STATES], S[3], R[3];
        fire(&c, x, S), slope(&c, u, x, S, k1);
        for (int i = 0; i < STATES; i++) mid[i] = x[i] + k1[i], w[i] = 0.5f * l[i], g[i] = (v){};
        fire(&c, mid, R), pull_back(&c, q, input, mid, R, w, g, total);
        for (int i = 0; i < STATES; i++) l[i] += g[i], w[i] += g[i], g[i] = (v){};
        pull_back(&c, q, input, x, S, w, g, total);
        for (int i = 0; i < STATES; i++) l[i] += g[i];
    }
    for (int i = 0; i < SUMS; i++) sums[i] = total[i];
}

/* state: overwritten; path: the states before each step and at the end, if not null; out: E - I after each step */
void jansen_rit(int threads, long blocks, long steps, float dt, const struct jansen_rit *q, const float *input,
                float *state, float *path, float *out) {
    const long length = (steps + 1) * STATES;
    const v *in = (const v *)input;
    v *start = (v *)state, *kept = (v *)path;
#define RUN(n)                                                                                                       \
    if (n <= MOST)                                                                                      \
    jansen_rit_group(n, width, steps, dt, q, in + b, start + b * STATES, kept ? kept + b * length : kept, length,    \
                     out + b * LANES)
    SPLIT(MOST, RUN)
}

/* sums over the run for the loss sum(weight * out^2), 16 per block */
void jansen_rit_adjoint(int threads, long blocks, long steps, float dt, const struct jansen_rit *q, const float *input,
                        const float *path, const float *weight, float *sums) {
    const long length = (steps + 1) * STATES;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (long b = 0; b < blocks; b++)
        adjoint_block(steps, dt, q, ((const v *)input)[b], ((const v *)weight)[b], (const v *)path + b * length,
                      (v *)sums + b * SUMS);
}
