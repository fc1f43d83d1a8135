// Grey picture at half its size: see halve.py. One thread per pixel of the result.
#include "pixels.cuh"

template <class Value>
__global__ void halve(const Value* picture, int height_in, int width_in, int height, int width, Value* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const int left = 2 * here.x, right = min(left + 1, width_in - 1);
    const Value* upper = picture + static_cast<size_t>(2 * here.y) * width_in;
    const Value* lower = picture + static_cast<size_t>(min(2 * here.y + 1, height_in - 1)) * width_in;
    out[here.index] = ((upper[left] + upper[right]) + (lower[left] + lower[right])) * 0.25f;
}
