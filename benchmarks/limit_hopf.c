/* Hopf by hand, with a Heun step, in float32. */
#include "limit.h"

enum { MOST = 5 }; /* blocks in a group; 5 fill the registers */
struct hopf { float a, w, beta; };

INLINE void hopf_group(const int n, long width, long steps, float dt, const struct hopf *q, v *xs, v *ys, float *out) {
    const v a = ALL(dt * q->a), w = ALL(dt * q->w), beta = ALL(dt * q->beta);
    v x[MOST], y[MOST];
    EACH x[g] = xs[g], y[g] = ys[g];
    for (long t = 0; t < steps; t++, out += width) {
        v dx[MOST], dy[MOST], mx[MOST], my[MOST], r[MOST];
        EACH r[g] = a - beta * (x[g] * x[g] + y[g] * y[g]);
        EACH dx[g] = r[g] * x[g] - w * y[g], dy[g] = r[g] * y[g] + w * x[g];
        EACH mx[g] = x[g] + dx[g], my[g] = y[g] + dy[g];
        EACH r[g] = a - beta * (mx[g] * mx[g] + my[g] * my[g]);
        EACH dx[g] += r[g] * mx[g] - w * my[g], dy[g] += r[g] * my[g] + w * mx[g];
        EACH ((v *)out)[g] = x[g] += 0.5f * dx[g], y[g] += 0.5f * dy[g];
    }
    EACH xs[g] = x[g], ys[g] = y[g];
}

/* state: x, y, overwritten; out: x after each step */
void hopf(int threads, long blocks, long steps, float dt, const struct hopf *q, float *state, float *out) {
    v *x = (v *)state, *y = x + blocks;
#define RUN(n) if (n <= MOST) hopf_group(n, width, steps, dt, q, x + b, y + b, out + b * LANES)
    SPLIT(MOST, RUN)
}
