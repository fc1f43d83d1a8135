// Flow of every pixel from the flow of patches: see densify_flow.py. One thread per pixel, blockIdx.z is the direction.
#include "patches.cuh"

constexpr float LEAST = 0.5f;

template <class Vector>  // always float2; a template, so that launch.py finds it by name like the others
__global__ void densify_flow(const float* first, const float* second, int height, int width, int rows, int columns,
                             const Vector* patches, Vector* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const bool forward = blockIdx.z == 0;
    const float* b = forward ? second : first;
    const float value = (forward ? first : second)[here.index];
    if (!forward) patches += rows * columns;
    float total_x = 0.0f, total_y = 0.0f, weights = 0.0f;
    for (int j = 0; j < 2; ++j)
        for (int i = 0; i < 2; ++i) {
            const Vector flow = patches[within((here.y + 2) / 4 - j, rows) * columns + within((here.x + 2) / 4 - i, columns)];
            const Shift shift = split(flow, height, width);
            const int top = here.y + shift.down, left = here.x + shift.right;
            const float *upper = b + within(top, height) * width, *lower = b + within(top + 1, height) * width;
            const int before = within(left, width), after = within(left + 1, width);
            const float moved = Weights(shift).mix(upper[before], upper[after], lower[before], lower[after]);
            const float error = fmaxf(fabsf(moved - value), LEAST);
            const float weight = 1.0f / (error * error);
            total_x += weight * flow.x;
            total_y += weight * flow.y;
            weights += weight;
        }
    out[here.layer + here.index] = make_float2(total_x / weights, total_y / weights);
}
