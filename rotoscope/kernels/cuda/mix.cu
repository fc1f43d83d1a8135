// Mix, copy and add whole arrays: see mix.py, weighted_sum.py, flows_between.py and trust_along.py. One thread per pixel or element.
#include "sampling.cuh"

// Elements of `Value` from one row to the next.
struct Strides {
    int first, second, mask, out;
};

// `second` may be null: a copy. `mask` may be null: everywhere. Where the share is 0 or 1 the other picture is not used at all.
template <class Value>
__global__ void mix(const Value* first, const Value* second, const unsigned char* mask, float share, Strides strides, int height,
                    int width, Value* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const Value a = first[static_cast<size_t>(here.y) * strides.first + here.x];
    Value* target = out + static_cast<size_t>(here.y) * strides.out + here.x;
    if (mask != nullptr && mask[static_cast<size_t>(here.y) * strides.mask + here.x] == 0) share = 0.0f;
    if (second == nullptr || share == 0.0f) {
        *target = a;
        return;
    }
    const Value b = second[static_cast<size_t>(here.y) * strides.second + here.x];
    *target = share == 1.0f ? b : add_scaled(scaled(a, 1.0f - share), b, share);
}

struct Pointers {
    const void* at[14];
};

struct Factors {
    float value[14];
};

// The loop is unrolled so that every address has a fixed place: otherwise each thread copies both structs to its own memory first.
__global__ void weighted_sum(Pointers arrays, Factors factors, int count, int size, float* out) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    float total = 0.0f;
#pragma unroll
    for (int k = 0; k < 14; ++k) {
        if (k >= count) break;
        total = fmaf(static_cast<const float*>(arrays.at[k])[i], factors.value[k], total);
    }
    out[i] = total;
}

// Flows from the picture at `time` of the way from a to b, and the share of b.
__global__ void flows_between(const float2* there, const float2* back, const float* trust, float time, float least_visible, int size,
                              float2* to_a, float2* to_b, float* weight) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    const float2 f = there[i], g = back[i];
    const float rest = 1.0f - time, both = -time * rest;
    to_a[i] = make_float2(g.x * (time * time) + f.x * both, g.y * (time * time) + f.y * both);
    to_b[i] = make_float2(f.x * (rest * rest) + g.x * both, f.y * (rest * rest) + g.y * both);
    weight[i] = time / (fmaxf(trust[i], least_visible) * rest + time);
}

// `flow` and `before` may be null together: then `sure` counts where it is. `out` and `votes` may be null.
__global__ void trust_along(const float* sure, const float2* flow, const float* before, int height, int width, float votes_from,
                            float* out, unsigned char* votes) {
    const Here here = locate(height, width);
    if (here.outside) return;
    float value = sure[here.index];
    if (flow != nullptr)
        value = before[here.index] * sample_bilinear(sure, aim(flow[here.index], here.x, here.y, height, width), height, width);
    if (out != nullptr) out[here.index] = value;
    if (votes != nullptr) votes[here.index] = value > votes_from;
}

struct Weights {
    float of[3];
};

__global__ void exchange_luma(const float4* colours, const float4* lumas, Weights weights, int size, float4* out) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    const float4 colour = colours[i], luma = lumas[i];
    const float change = weights.of[0] * (luma.x - colour.x) + weights.of[1] * (luma.y - colour.y) + weights.of[2] * (luma.z - colour.z);
    out[i] = make_float4(colour.x + change, colour.y + change, colour.z + change, colour.w);
}

// 1 where the mask is 0, else 0.
__global__ void complement(const unsigned char* mask, int size, unsigned char* out) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < size) out[i] = mask[i] == 0;
}

// Share of the second of two pictures at `time` of the way between them, of which the first shows `visibility`; row by row.
__global__ void share_of_second(const float* visibility, float time, int size, float* out) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    const float first = (1.0f - time) * visibility[i], second = time * (1.0f - visibility[i]);
    out[i] = second / (first + second);
}
