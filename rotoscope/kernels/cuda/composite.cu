// Composite: see composite.py. One thread per pixel; all arrays are planar, flows too.
#include "sampling.cuh"

__global__ void composite(const float* before, const float* flow, const float* carried, int carried_layers, const float* drawn,
                          int height, int width, float* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const size_t pixels = static_cast<size_t>(height) * width;
    const Aim at = aim(make_float2(flow[here.index], flow[pixels + here.index]), here.x, here.y, height, width);
    for (int c = 0; c < 3; ++c) {
        const float share = carried[(carried_layers == 1 ? 0 : c * pixels) + here.index];
        const float moved = sample_bilinear(before + c * pixels, at, height, width);
        out[c * pixels + here.index] = moved * share + drawn[c * pixels + here.index];
    }
}
