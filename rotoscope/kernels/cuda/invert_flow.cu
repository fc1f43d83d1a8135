// Invert a flow: see invert_flow.py. `splat` uses one thread per vector: it adds (-dx, -dy, 1) times a bilinear weight to up to
// four pixels of `totals` (H,W,3). `settle` uses one thread per pixel: it divides the sum by the weight.
#include "pixels.cuh"

template <class Flow>
__global__ void splat(const Flow* flow, int height, int width, float* totals) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float2 vector = load_flow(flow, here.index);
    if (!(fabsf(vector.x) <= width && fabsf(vector.y) <= height)) return;  // NaN, or lands outside
    const float whole_x = floorf(vector.x), whole_y = floorf(vector.y);
    const float right = vector.x - whole_x, down = vector.y - whole_y;
    const int column = here.x + static_cast<int>(whole_x), row = here.y + static_cast<int>(whole_y);
    for (int j = 0; j < 2; ++j)
        for (int i = 0; i < 2; ++i) {
            const int x = column + i, y = row + j;
            if (x < 0 || x >= width || y < 0 || y >= height) continue;
            const float weight = (i ? right : 1.0f - right) * (j ? down : 1.0f - down);
            float* total = totals + 3 * (static_cast<size_t>(y) * width + x);
            atomicAdd(total, -vector.x * weight);
            atomicAdd(total + 1, -vector.y * weight);
            atomicAdd(total + 2, weight);
        }
}

template <class Vector>  // always float2; a template, so that launch.py finds it by name like the others
__global__ void settle(const float* totals, int height, int width, float hole_weight, unsigned char* holes, Vector* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float* total = totals + 3 * static_cast<size_t>(here.index);
    const bool hole = total[2] < hole_weight;
    const float share = hole ? 0.0f : 1.0f / total[2];
    out[here.index] = make_float2(total[0] * share, total[1] * share);
    if (holes != nullptr) holes[here.index] = hole;
}
