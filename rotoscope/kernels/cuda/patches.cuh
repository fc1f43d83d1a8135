// What the kernels of the flow estimator share: grey pictures whose border repeats, and flows of them. See inverse_search.py.
#pragma once
#include "pixels.cuh"

__device__ inline int within(int index, int size) { return min(max(index, 0), size - 1); }

// A displacement in whole pixels and the rest in [0,1). NaN counts as far to the left or above.
struct Shift {
    int right, down;
    float part_x, part_y;
};

__device__ inline Shift split(float2 flow, int height, int width) {
    const float far_x = static_cast<float>(width + 16), far_y = static_cast<float>(height + 16);
    const float x = fminf(fmaxf(flow.x, -far_x), far_x), y = fminf(fmaxf(flow.y, -far_y), far_y);
    const float whole_x = floorf(x), whole_y = floorf(y);
    return {static_cast<int>(whole_x), static_cast<int>(whole_y), x - whole_x, y - whole_y};
}

// Weights of the 2x2 pixels around a position.
struct Weights {
    float top_left, top_right, low_left, low_right;

    __device__ explicit Weights(Shift shift)
        : top_left((1.0f - shift.part_x) * (1.0f - shift.part_y)), top_right(shift.part_x * (1.0f - shift.part_y)),
          low_left((1.0f - shift.part_x) * shift.part_y), low_right(shift.part_x * shift.part_y) {}

    __device__ float mix(float a, float b, float c, float d) const {
        return (a * top_left + b * top_right) + (c * low_left + d * low_right);
    }
};
