// Blend: see blend.py. One thread per pixel, or per channel of a planar picture.
#include "sampling.cuh"

template <class Pixel, class Flow, Sampling sampling>
__global__ void blend(const Pixel* current, const Pixel* previous, const Flow* flow, int height, int width, float strength,
                      const float* confidence, const unsigned char* occluded, Pixel* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const Aim at = aim(load_flow(flow, here.index), here.x, here.y, height, width);
    float weight = at.inside ? strength : 0.0f;
    if (confidence != nullptr) weight *= confidence[here.index];
    if (occluded != nullptr && occluded[here.index] != 0) weight = 0.0f;
    const auto warped = sample<sampling>(previous + here.layer, at, height, width);
    const auto mixed = scaled(load(current + here.layer, here.index), 1.0f - weight);
    store(out + here.layer, here.index, add_scaled(mixed, warped, weight));
}
