// Sample a picture at p + flow(p): conventions in sampling.py. The arithmetic is that of the CPU version.
#pragma once
#include "pixels.cuh"

enum Sampling { bilinear, cubic };

// A position: the top left one of its 2x2 nearest pixels, the distance from it in [0,1], and whether it lies in the frame.
struct Aim {
    int column, row;
    float right, down;
    bool inside;
};

__device__ inline void aim_axis(float shift, int index, int size, int& low, float& part) {
    // fmaxf returns the number if the other operand is NaN, so NaN is clamped to the low end. Clamped values fit an int.
    shift = fminf(fmaxf(shift, -static_cast<float>(size)), static_cast<float>(size));
    const float whole = floorf(shift);
    const int last = max(size - 2, 0);  // in a picture of one column both neighbours are that column
    low = index + static_cast<int>(whole);
    part = low < 0 ? 0.0f : low > last ? 1.0f : shift - whole;
    low = min(max(low, 0), last);
}

__device__ inline Aim aim(float2 flow, int x, int y, int height, int width) {
    Aim at;
    at.inside = flow.x >= static_cast<float>(-x) && flow.x <= static_cast<float>(width - 1 - x) &&
                flow.y >= static_cast<float>(-y) && flow.y <= static_cast<float>(height - 1 - y);
    aim_axis(flow.x, x, width, at.column, at.right);
    aim_axis(flow.y, y, height, at.row, at.down);
    return at;
}

template <class Pixel>
__device__ auto sample_bilinear(const Pixel* picture, Aim at, int height, int width) {
    const int top = at.row * width + at.column, low = top + (height > 1 ? width : 0), step = width > 1 ? 1 : 0;
    auto value = scaled(load(picture, top), (1.0f - at.right) * (1.0f - at.down));
    value = add_scaled(value, load(picture, top + step), at.right * (1.0f - at.down));
    value = add_scaled(value, load(picture, low), (1.0f - at.right) * at.down);
    return add_scaled(value, load(picture, low + step), at.right * at.down);
}

__device__ inline void cubic_weights(float t, float (&weights)[4]) {
    const float t2 = t * t, t3 = t2 * t;
    weights[0] = 0.5f * (t2 + t2 - t3 - t);
    weights[1] = 0.5f * (3.0f * t3 - 5.0f * t2 + 2.0f);
    weights[2] = 0.5f * (t + 4.0f * t2 - 3.0f * t3);
    weights[3] = 0.5f * (t3 - t2);
}

template <class Pixel>
__device__ auto sample_cubic(const Pixel* picture, Aim at, int height, int width) {
    float across[4], along[4];
    cubic_weights(at.right, across);
    cubic_weights(at.down, along);
    int columns[4];
    for (int i = 0; i < 4; ++i) columns[i] = min(max(at.column - 1 + i, 0), width - 1);
    decltype(load(picture, 0)) value, lowest, highest;
    fill(value, 0.0f);
    fill(lowest, INFINITY);
    fill(highest, -INFINITY);
    for (int j = 0; j < 4; ++j) {
        const int line = min(max(at.row - 1 + j, 0), height - 1) * width;
        for (int i = 0; i < 4; ++i) {
            const auto tap = load(picture, line + columns[i]);
            value = add_scaled(value, tap, along[j] * across[i]);
            if ((j == 1 || j == 2) && (i == 1 || i == 2)) {
                lowest = lower(lowest, tap);
                highest = higher(highest, tap);
            }
        }
    }
    return lower(higher(value, lowest), highest);
}

template <Sampling sampling, class Pixel>
__device__ auto sample(const Pixel* picture, Aim at, int height, int width) {
    if constexpr (sampling == cubic) {
        return sample_cubic(picture, at, height, width);
    } else {
        return sample_bilinear(picture, at, height, width);
    }
}

// Sample a flow bilinearly.
template <class Flow>
__device__ float2 sample_flow(const Flow* flow, Aim at, int height, int width) {
    const int top = at.row * width + at.column, low = top + (height > 1 ? width : 0), step = width > 1 ? 1 : 0;
    const float2 a = load_flow(flow, top), b = load_flow(flow, top + step);
    const float2 c = load_flow(flow, low), d = load_flow(flow, low + step);
    const float wa = (1.0f - at.right) * (1.0f - at.down), wb = at.right * (1.0f - at.down);
    const float wc = (1.0f - at.right) * at.down, wd = at.right * at.down;
    return make_float2(a.x * wa + b.x * wb + c.x * wc + d.x * wd, a.y * wa + b.y * wb + c.y * wc + d.y * wd);
}
