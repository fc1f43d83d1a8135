// Weights of the ramp: see past_weight.py and look_ahead_weights.py. One thread per pixel.
#include "sampling.cuh"

__global__ void past_weight(const float* before, const float2* flow, const float* trust, int height, int width, float strength,
                            float* out, float* share) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const Aim at = aim(flow[here.index], here.x, here.y, height, width);
    const float weight = at.inside ? strength * trust[here.index] * sample_bilinear(before, at, height, width) : 0.0f;
    out[here.index] = 1.0f + weight;
    share[here.index] = weight / (1.0f + weight);
}

struct Pointers {
    const void* at[14];
};

struct Factors {
    float value[14];
};

__global__ void look_ahead_weights(const float* share, Pointers trusts, Pointers weights, Factors factors, int count, int height,
                                   int width, float scale, float* used) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float now = 1.0f - share[here.index];
    float total = share[here.index] / now;
    for (int k = 0; k < count; ++k) {
        const float later = factors.value[k] * static_cast<const float*>(trusts.at[k])[here.index];
        static_cast<float*>(const_cast<void*>(weights.at[k]))[here.index] = later * now;
        total += later;
    }
    used[here.index] = fminf(total * scale, 1.0f);
}
