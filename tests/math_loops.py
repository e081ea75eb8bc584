"""C++ that calls each elementary function and draw over rows of numbers, as `test_kernel_math` builds it."""

LOOP = """
extern "C" void {name}_{type}(const {type} *x, const {type} *b, {type} *__restrict y, int n) {{
#pragma omp simd
    for (int i = 0; i < n; ++i) y[i] = tm::{name}({arguments});
}}
"""
VECTOR_LOOP = """
extern "C" void {name}_{type}(const {type} *x, const {type} *b, {type} *y, int n) {{
    using V = tm::Vec<{type}>;
    for (int i = 0; i < n; i += V::lanes) tm::{name}({arguments}).store(y + i);
}}
"""
VECTOR_DRAWS = """
extern "C" void normals_{type}({type} *z, int n, unsigned simulation, unsigned block, unsigned source, unsigned key0,
                               unsigned key1) {{
    using V = tm::Vec<{type}>;
    for (int i = 0; i < n; i += V::lanes) {{
        unsigned node[V::lanes];
        for (int l = 0; l < V::lanes; ++l) node[l] = i + l;
        V draws[4];
        tm::normals4(draws[0], draws[1], draws[2], draws[3], tm::Bits<{type}>::load(node),
                     tm::Bits<{type}>(simulation), block, source, key0, key1);
        for (int j = 0; j < 4; ++j) draws[j].store(z + j * n + i);
    }}
}}
"""
CHOICES = """
template <class T> bool choices() {
    using V = tm::Vec<T>;
    T numbers[V::lanes];
    for (int l = 0; l < V::lanes; ++l) numbers[l] = T(l);
    const V v = V::load(numbers), half = 0.5;
    bool right = true;
    for (int l = 0; l < V::lanes; ++l) {
        const T x = numbers[l];
        right &= tm::select(v < 2, v, 0.0f)[l] == (x < 2 ? x : 0) && tm::select(2 <= v, T(1), v)[l] == (x >= 2 ? 1 : x);
        right &= tm::select(v == 1, 3, 4)[l] == (x == 1 ? 3 : 4) && tm::select(x > 1, v, T(7))[l] == (x > 1 ? x : 7);
        right &= tm::select(((v > 0) & !(v >= 2)) | false, v, -v)[l] == (x > 0 && x < 2 ? x : -x);
        right &= tm::select((v != 1) ^ true, v, half)[l] == (x == 1 ? x : T(0.5)) && tm::select(x > 1, x, T(2)) >= 2;
        V w = 2 * v - 1;
        w += v, w -= half, w *= 2, w /= v + 1;
        right &= w[l] == (2 * (2 * x - 1 + x - T(0.5))) / (x + 1) && 1 / V(T(-0.0))[l] < 0;
    }
    return right;
}
extern "C" bool choices_float() { return choices<float>(); }
extern "C" bool choices_double() { return choices<double>(); }
"""
DRAWS = """
extern "C" void normals_{type}({type} *z, int n, unsigned simulation, unsigned block, unsigned source, unsigned key0,
                               unsigned key1) {{
    tm::normals4(z, z + n, z + 2 * n, z + 3 * n, 0u, n, simulation, block, source, key0, key1);
}}
"""
WORDS = """
extern "C" void philox(const unsigned *c, const unsigned *k, unsigned *w) {
    const tm::Words words = tm::philox(c[0], c[1], c[2], c[3], k[0], k[1]);
    w[0] = words.w0, w[1] = words.w1, w[2] = words.w2, w[3] = words.w3;
}
"""
