"""The C++ around a step: the loops over blocks of lanes and over time, with places for what a model fills in."""

HEAD = """#include <cstdint>
#include "math.h"
#include "philox.h"
using T = {dtype};
constexpr int L = {lanes};
struct Run {{
    int64_t lanes, padded, nodes, steps, first_step, first_simulation, transient, every;
    uint64_t seed;
    double dt;
}};
// whole blocks by a loop of known length: memcpy would be called for each of them
static inline void put(T* to, const T* from, int live) {{
    if (live == L) for (int l = 0; l < L; ++l) to[l] = from[l];
    else for (int l = 0; l < live; ++l) to[l] = from[l];
}}
static inline void add(T* to, const T* from, int live) {{
    if (live == L) for (int l = 0; l < L; ++l) to[l] += from[l];
    else for (int l = 0; l < live; ++l) to[l] += from[l];
}}
"""

NORMALS = """
static inline void normals(T z[4][L], const uint32_t* node, const uint32_t* simulation, int64_t block, uint32_t source,
                           uint64_t seed) {
    #pragma omp simd
    for (int l = 0; l < L; ++l)
        tm::normals4(z[0][l], z[1][l], z[2][l], z[3][l], node[l], simulation[l], uint32_t(block), source,
                     uint32_t(seed), uint32_t(seed >> 32));
}
"""

FORWARD = """
extern "C" void forward(const Run& r, const T* const* leaf, const int64_t* stride, const T* const* x0, T* const* out,
                        T* const* end, T* path) {{
    const T dt = T(r.dt);
    for (int64_t b = 0; b < r.lanes; b += L) {{
        const int live = r.lanes - b < L ? int(r.lanes - b) : L;
        {declare_states}
        {prologue}
        {once}
        for (int l = 0; l < L; ++l) {{
            const int64_t lane = b + l < r.lanes ? b + l : r.lanes - 1;
            {load_start}
        }}
        int64_t row = 0, due = r.transient;  // counted, as a division a step costs as much as the step
        for (int64_t t = 0; t < r.steps; ++t) {{
            if (path) for (int l = 0; l < L; ++l) {{
                T* const here = path + t * {states} * r.padded + b + l;
                {store_path}
            }}
            {each_step}
            #pragma omp simd
            for (int l = 0; l < L; ++l) {{
                {step}
            }}
            if (t == due) {{
                const int64_t here = row * r.lanes + b;
                ++row, due += r.every;
                {store_states}
                if (out[{states}]) {{
                    T h[L];
                    #pragma omp simd
                    for (int l = 0; l < L; ++l) {{
                        {output}
                    }}
                    put(out[{states}] + here, h, live);
                }}
            }}
        }}
        for (int l = 0; l < live; ++l) {{
            {store_end}
        }}
    }}
}}
"""

ADJOINT = """
extern "C" void adjoint(const Run& r, const T* const* leaf, const int64_t* stride, const T* path, const T* const* end,
                        const T* const* g_out, const T* const* g_end, T* const* g_x0, double* const* sums,
                        T* const* each) {{
    const T dt = T(r.dt);
    for (int64_t b = 0; b < r.lanes; b += L) {{
        const int live = r.lanes - b < L ? int(r.lanes - b) : L;
        T h[L] = {{}};
        {declare_states}
        {declare_sums}
        {prologue}
        {once}
        for (int l = 0; l < live; ++l) {{
            {load_end}
        }}
        int64_t row = (r.steps - 1 - r.transient) / r.every, due = r.transient + row * r.every;
        for (int64_t t = r.steps - 1; t >= 0; --t) {{
            if (row >= 0 && t == due) {{  // x is the state after step t
                const int64_t here = row * r.lanes + b;
                --row, due -= r.every;
                {add_rows}
                if (g_out[{states}]) {{
                    put(h, g_out[{states}] + here, live);
                    #pragma omp simd
                    for (int l = 0; l < L; ++l) {{
                        {output}
                    }}
                }}
            }}
            for (int l = 0; l < L; ++l) {{
                const T* const here = path + t * {states} * r.padded + b + l;
                {load_path}
            }}
            {each_step}
            #pragma omp simd
            for (int l = 0; l < L; ++l) {{
                {step}
            }}
            const int64_t here = t * r.lanes + b;
            {store_each}
        }}
        for (int l = 0; l < live; ++l) {{
            {store_gradients}
        }}
    }}
}}
"""
