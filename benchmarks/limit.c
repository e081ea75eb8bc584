/* The limit: the time loop of Hopf and Jansen-Rit written by hand, with a Heun step, in float32.
 *
 * Nodes come in whole vectors of 16 (`blocks` of them); time is the outer loop, so that the blocks of one step, which
 * are independent, overlap in the processor. Jansen-Rit's arrays are [block][state][lane]: were nodes the last axis,
 * 1024 of them would put all states of a block into one set of the cache (gradient: 35 ms instead of 13).
 */
typedef float v __attribute__((vector_size(64), aligned(4), may_alias));
typedef int vi __attribute__((vector_size(64), aligned(4), may_alias));

enum { STATES = 6, SUMS = 16 };
struct jansen_rit { float Ae, Ai, be, bi, C, a1, a2, a3, a4, s_max, v0, r; };
static const float K = 1e-3f; /* the paper's time is in seconds, ours in ms */

static inline v pick(vi where, v a, v b) { return (v)(((vi)a & where) | ((vi)b & ~where)); }

static inline v exponential(v z) {
    z = pick(z < -87.f, (v){} - 87.f, z);
    z = pick(z > 87.f, (v){} + 87.f, z);
    const v n = (z * 1.44269504f + 12582912.f) - 12582912.f; /* nearest whole number, by rounding at 1.5 * 2^23 */
    const v s = (z - n * 0.693359375f) + n * 2.12194440e-4f; /* ln 2 in two parts; |s| < 0.35 */
    v e = s * (1 / 720.f) + 1 / 120.f;
    e = ((((e * s + 1 / 24.f) * s + 1 / 6.f) * s + 0.5f) * s + 1.f) * s + 1.f;
    const vi power = (__builtin_convertvector(n, vi) + 127) << 23;
    return e * (v)power;
}

static inline v sigmoid(v z) { return 1.f / (1.f + exponential(-z)); }

static inline void hopf_slope(const float *p, v x, v y, v *dx, v *dy) {
    const v growth = p[0] - p[2] * (x * x + y * y);
    *dx = growth * x - p[1] * y;
    *dy = growth * y + p[1] * x;
}

/* p: a, w, beta; state: x, y, overwritten; out: x after each step */
void hopf(long blocks, long steps, float dt, const float *p, float *state, float *out) {
    const float own[] = {p[0], p[1], p[2]}; /* a copy that no store can alias */
    v *x = (v *)state, *y = x + blocks, *row = (v *)out;
    for (long t = 0; t < steps; t++, row += blocks)
        for (long b = 0; b < blocks; b++) {
            v dx, dy, dx2, dy2;
            hopf_slope(own, x[b], y[b], &dx, &dy);
            hopf_slope(own, x[b] + dt * dx, y[b] + dt * dy, &dx2, &dy2);
            row[b] = x[b] += 0.5f * dt * (dx + dx2);
            y[b] += 0.5f * dt * (dy + dy2);
        }
}

static inline void slope(const struct jansen_rit *q, v input, const v *s, v *d) {
    const v S0 = q->s_max * sigmoid(q->r * (s[1] - s[2] - q->v0));
    const v S1 = q->s_max * sigmoid(q->r * (q->C * q->a1 * s[0] - q->v0));
    const v S2 = q->s_max * sigmoid(q->r * (q->C * q->a3 * s[0] - q->v0));
    d[0] = K * s[3], d[1] = K * s[4], d[2] = K * s[5];
    d[3] = K * (q->Ae * q->be * S0 - 2 * q->be * s[3] - q->be * q->be * s[0]);
    d[4] = K * (q->Ae * q->be * (input + q->C * q->a2 * S1) - 2 * q->be * s[4] - q->be * q->be * s[1]);
    d[5] = K * (q->Ai * q->bi * q->C * q->a4 * S2 - 2 * q->bi * s[5] - q->bi * q->bi * s[2]);
}

static inline void jansen_rit_step(const struct jansen_rit *q, float dt, v input, const v *x, v *next) {
    v s[STATES], k1[STATES], mid[STATES], k2[STATES];
    for (int i = 0; i < STATES; i++) s[i] = x[i];
    slope(q, input, s, k1);
    for (int i = 0; i < STATES; i++) mid[i] = s[i] + dt * k1[i];
    slope(q, input, mid, k2);
    for (int i = 0; i < STATES; i++) next[i] = s[i] + 0.5f * dt * (k1[i] + k2[i]);
}

/* path: the states at every step, the first row given, or with keep = 0 the one row that is overwritten */
void jansen_rit(long blocks, long steps, float dt, const struct jansen_rit *q, const float *input, float *path,
                float *out, int keep) {
    const struct jansen_rit own = *q; /* products of parameters are hoisted from a copy */
    v *x = (v *)path, *row = (v *)out;
    for (long t = 0; t < steps; t++, row += blocks) {
        v *next = keep ? x + STATES * blocks : x;
        for (long b = 0; b < blocks; b++) {
            jansen_rit_step(&own, dt, ((const v *)input)[b], x + b * STATES, next + b * STATES);
            row[b] = next[b * STATES + 1] - next[b * STATES + 2];
        }
        x = next;
    }
}

/* g += J^T h for the slopes at s; sums: the products from which the gradient of the parameters is made */
static inline void pull_back(const struct jansen_rit *q, v input, const v *s, const v *h, v *g, v *sums) {
    const v u = s[1] - s[2], h3 = K * h[3], h4 = K * h[4], h5 = K * h[5];
    const v S0 = sigmoid(q->r * (u - q->v0)), D0 = h3 * S0 * (1.f - S0);
    const v S1 = sigmoid(q->r * (q->C * q->a1 * s[0] - q->v0)), D1 = h4 * S1 * (1.f - S1);
    const v S2 = sigmoid(q->r * (q->C * q->a3 * s[0] - q->v0)), D2 = h5 * S2 * (1.f - S2);
    const v e = q->Ae * q->be * q->s_max * q->r * D0, be2 = (v){} + q->be * q->be;
    g[0] += q->Ae * q->be * q->C * q->a2 * q->s_max * q->r * q->C * q->a1 * D1 - be2 * h3;
    g[0] += q->Ai * q->bi * q->C * q->a4 * q->s_max * q->r * q->C * q->a3 * D2;
    g[1] += e - be2 * h4;
    g[2] -= e + q->bi * q->bi * h5;
    g[3] += K * h[0] - 2 * q->be * h3;
    g[4] += K * h[1] - 2 * q->be * h4;
    g[5] += K * h[2] - 2 * q->bi * h5;
    const v part[SUMS] = {h3 * S0,   D0,        D0 * u,    h3 * s[3], h3 * s[0], h4 * S1,   D1,        D1 * s[0],
                          h4 * input, h4 * s[4], h4 * s[1], h5 * S2,   D2,        D2 * s[0], h5 * s[5], h5 * s[2]};
    for (int i = 0; i < SUMS; i++) sums[i] += part[i];
}

/* sums over the run for the loss sum(weight * out^2); lambda is a work array of one row, sums one of 16 */
void jansen_rit_adjoint(long blocks, long steps, float dt, const struct jansen_rit *q, const float *input,
                        const float *path, const float *weight, float *lambda, float *sums) {
    const struct jansen_rit own = *q;
    for (long t = steps - 1; t >= 0; t--)
        for (long b = 0; b < blocks; b++) {
            const v in = ((const v *)input)[b], *x = (const v *)path + (t * blocks + b) * STATES;
            const v *end = x + STATES * blocks;
            v *l = (v *)lambda + b * STATES, *total = (v *)sums + b * SUMS;
            const v pull = 2.f * ((const v *)weight)[b] * (end[1] - end[2]);
            l[1] += pull, l[2] -= pull;
            v s[STATES], k1[STATES], mid[STATES], h[STATES], g[STATES];
            for (int i = 0; i < STATES; i++) s[i] = x[i];
            slope(&own, in, s, k1);
            for (int i = 0; i < STATES; i++)
                mid[i] = s[i] + dt * k1[i], h[i] = 0.5f * dt * l[i], g[i] = (v){};
            pull_back(&own, in, mid, h, g, total);
            for (int i = 0; i < STATES; i++) l[i] += g[i], h[i] += dt * g[i], g[i] = (v){};
            pull_back(&own, in, s, h, g, total);
            for (int i = 0; i < STATES; i++) l[i] += g[i];
        }
}
