// Interpolate: see interpolate.py. One thread per pixel, or per channel of a planar picture.
#include "sampling.cuh"

__device__ inline float sample_mask(const unsigned char* mask, Aim at, int height, int width) {
    const int top = at.row * width + at.column, low = top + (height > 1 ? width : 0), step = width > 1 ? 1 : 0;
    const float above = mask[top] * (1.0f - at.right) + mask[top + step] * at.right;
    const float below = mask[low] * (1.0f - at.right) + mask[low + step] * at.right;
    return above * (1.0f - at.down) + below * at.down;
}

template <class Pixel, class Flow, Sampling sampling>
__global__ void interpolate(const Pixel* picture_a, const Pixel* picture_b, const Flow* flow_a, const Flow* flow_b,
                            const float* weight, const unsigned char* mask_a, const unsigned char* mask_b,
                            unsigned char* known, int height, int width, float known_from, Pixel* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const Aim at_a = aim(load_flow(flow_a, here.index), here.x, here.y, height, width);
    const Aim at_b = aim(load_flow(flow_b, here.index), here.x, here.y, height, width);
    const float share = weight[here.index];
    const auto a = sample<sampling>(picture_a + here.layer, at_a, height, width);
    const auto b = sample<sampling>(picture_b + here.layer, at_b, height, width);
    store(out + here.layer, here.index, add_scaled(scaled(a, 1.0f - share), b, share));
    if (known != nullptr && here.first_layer) {
        const float soft_a = sample_mask(mask_a, at_a, height, width), soft_b = sample_mask(mask_b, at_b, height, width);
        known[here.index] = (1.0f - share) * soft_a + share * soft_b >= known_from;
    }
}
