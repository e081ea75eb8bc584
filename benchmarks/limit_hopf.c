/* Hopf by hand, with a Heun step, in float32. */
#include "limit.h"

enum { MOST = 8 }; /* blocks in a group; a step's operations take 8 cycles, and wait for each other for 30 */
struct hopf { float a, w, beta; };

const int lanes = LANES; /* of all loops here */

/* A Heun step goes halfway from z = x + iy to where two Euler steps go; one multiplies z by
 * 1 + dt (a - beta |z|^2) + i dt w. */
INLINE void hopf_group(const int n, long width, long steps, float dt, const struct hopf *q, v *restrict xs,
                       v *restrict ys, float *restrict out) {
    const v grow = ALL(1 + dt * q->a), w = ALL(dt * q->w), beta = ALL(dt * q->beta);
    const v half_grow = 0.5f * grow, half_w = 0.5f * w, half_beta = 0.5f * beta;
    v x[MOST], y[MOST];
    EACH x[g] = xs[g], y[g] = ys[g];
    for (long t = 0; t < steps; t++, out += width) EACH {
        const v r = grow - beta * (x[g] * x[g] + y[g] * y[g]);
        const v mx = r * x[g] - w * y[g], my = r * y[g] + w * x[g];
        const v half_r = half_grow - half_beta * (mx * mx + my * my);
        x[g] = 0.5f * x[g] - half_w * my + half_r * mx;
        y[g] = 0.5f * y[g] + half_w * mx + half_r * my;
        put(out + g * LANES, width, x[g]);
    }
    EACH xs[g] = x[g], ys[g] = y[g];
}

/* state: x, y, overwritten; out: x after each step */
void hopf(int threads, long blocks, long steps, float dt, const struct hopf *q, float *state, float *out) {
    v *x = (v *)state, *y = x + blocks;
#define RUN(n) if (n <= MOST) hopf_group(n, width, steps, dt, q, x + b, y + b, out + b * LANES)
    SPLIT(MOST, RUN)
}
