// Occlusion: see occlusion.py. One thread per pixel.
#include "sampling.cuh"

__device__ inline float squared(float x, float y) { return x * x + y * y; }

template <class Flow>
__global__ void occlusion(const Flow* flow_ab, const Flow* flow_ba, int height, int width, float relative, float round_trip_px2,
                          float boundary_px2, float falloff_per_px2, float* confidence, unsigned char* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float2 f = load_flow(flow_ab, here.index);
    const float2 g = sample_flow(flow_ba, aim(f, here.x, here.y, height, width), height, width);
    const float2 right = here.x + 1 < width ? load_flow(flow_ab, here.index + 1) : f;
    const float2 below = here.y + 1 < height ? load_flow(flow_ab, here.index + width) : f;
    const float error = squared(f.x + g.x, f.y + g.y);
    const float steepness = squared(right.x - f.x, right.y - f.y) + squared(below.x - f.x, below.y - f.y);
    // Every comparison with NaN is false: as written, NaN and overflow count as occluded.
    const float both = squared(f.x, f.y) + squared(g.x, g.y);
    const bool agrees = error < INFINITY && error <= relative * both + round_trip_px2;
    const bool smooth = steepness < INFINITY && steepness <= relative * squared(f.x, f.y) + boundary_px2;
    out[here.index] = !(agrees && smooth);
    if (confidence != nullptr) confidence[here.index] = fmaxf(expf(-falloff_per_px2 * error), 0.0f);  // NaN gives 0
}
