// The machine's limit for aggregate, median of 7, float32x4: what the CPU kernel does, by hand with AVX-512 intrinsics. Only
// for the benchmark; no checks, no NaN, no validity.
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <thread>
#include <vector>

namespace {

constexpr int RUN = 512;

struct Scratch {
    alignas(64) float stack[7][4 * RUN];
    alignas(64) int index[RUN];
    alignas(64) float weights[4][RUN];
};

void order(__m512& a, __m512& b) {
    const __m512 low = _mm512_min_ps(a, b);
    b = _mm512_max_ps(a, b);
    a = low;
}

void rows(const float* const* pictures, const float* const* flows, int height, int width, float* out, int begin, int end) {
    Scratch scratch;
    auto& [stack, index, weights] = scratch;
    const int last_x = width - 2, last_y = height - 2;
    for (int y = begin; y < end; ++y)
        for (int x0 = 0; x0 < width; x0 += RUN) {
            const int count = std::min(RUN, width - x0);
            std::copy_n(pictures[0] + 4 * (size_t(y) * width + x0), 4 * count, stack[0]);
            for (int n = 0; n < 6; ++n) {
                const float* flow = flows[n] + 2 * (size_t(y) * width + x0);
                for (int k = 0; k < count; ++k) {
                    const float dx = flow[2 * k], dy = flow[2 * k + 1], fx = std::floor(dx), fy = std::floor(dy);
                    int column = int(fx) + x0 + k, row = int(fy) + y;
                    float a = dx - fx, b = dy - fy;
                    a = column < 0 ? 0.0f : column > last_x ? 1.0f : a;
                    b = row < 0 ? 0.0f : row > last_y ? 1.0f : b;
                    column = std::min(std::max(column, 0), last_x);
                    row = std::min(std::max(row, 0), last_y);
                    index[k] = 4 * (row * width + column);
                    weights[0][k] = (1 - a) * (1 - b);
                    weights[1][k] = a * (1 - b);
                    weights[2][k] = (1 - a) * b;
                    weights[3][k] = a * b;
                }
                const float* picture = pictures[n + 1];
                for (int k = 0; k < count; ++k) {
                    const float* top = picture + index[k];
                    const float* low = top + 4 * width;
                    __m128 value = _mm_mul_ps(_mm_loadu_ps(top), _mm_set1_ps(weights[0][k]));
                    value = _mm_fmadd_ps(_mm_loadu_ps(top + 4), _mm_set1_ps(weights[1][k]), value);
                    value = _mm_fmadd_ps(_mm_loadu_ps(low), _mm_set1_ps(weights[2][k]), value);
                    value = _mm_fmadd_ps(_mm_loadu_ps(low + 4), _mm_set1_ps(weights[3][k]), value);
                    _mm_store_ps(stack[n + 1] + 4 * k, value);
                }
            }
            float* target = out + 4 * (size_t(y) * width + x0);
            for (int i = 0; i < 4 * count; i += 16) {
                __m512 v[7];
                for (int n = 0; n < 7; ++n) v[n] = _mm512_load_ps(stack[n] + i);
                // The median of seven in 13 exchanges (Devillard, "Fast median search", 1998).
                order(v[0], v[5]); order(v[0], v[3]); order(v[1], v[6]); order(v[2], v[4]); order(v[0], v[1]);
                order(v[3], v[5]); order(v[2], v[6]); order(v[2], v[3]); order(v[3], v[6]); order(v[4], v[5]);
                order(v[1], v[4]); order(v[1], v[3]); order(v[3], v[4]);
                _mm512_stream_ps(target + i, v[3]);
            }
        }
    _mm_sfence();
}

}  // namespace

extern "C" void aggregate_median7(const float* const* pictures, const float* const* flows, int height, int width, float* out) {
    const int threads = std::max(1u, std::thread::hardware_concurrency());
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; ++t)
        pool.emplace_back(rows, pictures, flows, height, width, out, height * t / threads, height * (t + 1) / threads);
    for (auto& thread : pool) thread.join();
}
