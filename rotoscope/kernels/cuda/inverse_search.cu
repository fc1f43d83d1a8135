// Dense inverse search: see inverse_search.py. One thread per 8x8 patch, blockIdx.z is the direction. Threads share nothing, so
// there are no barriers, and the order in which they run changes nothing. Gradients are made again from the picture at each
// step: three rows of ten pixels in registers are less traffic than two stored gradients.
#include "patches.cuh"

enum Start { from_zero, from_coarser, from_patches };

constexpr float DAMPING = 2000.0f, BETTER = 0.98f, SAME = 0.02f, FARTHEST_SQUARED = 64.0f;

struct Cost {
    float square, along_x, along_y;
};

// One patch of `a` and the picture `b` in which it is searched.
struct Patch {
    const float *a, *b;
    int height, width, top, left;
    float mean_x, mean_y, inverse_xx, inverse_xy, inverse_yy;

    __device__ float at(const float* picture, int row, int column) const {
        return picture[within(row, height) * width + within(column, width)];
    }

    // Calls visit(value, gradient to x, gradient to y, row, column) for the 64 pixels.
    template <class Visit>
    __device__ void for_each(Visit visit) const {
        float above[10], here[10], below[10];
#pragma unroll
        for (int i = 0; i < 10; ++i) {
            above[i] = at(a, top - 1, left - 1 + i);
            here[i] = at(a, top, left - 1 + i);
        }
#pragma unroll 1  // 128 registers; unrolled, 255 and a quarter of the threads
        for (int j = 0; j < 8; ++j) {
#pragma unroll
            for (int i = 0; i < 10; ++i) below[i] = at(a, top + j + 1, left - 1 + i);
#pragma unroll
            for (int i = 0; i < 8; ++i)
                visit(here[i + 1], (here[i + 2] - here[i]) * 0.5f, (below[i + 1] - above[i + 1]) * 0.5f, j, i);
#pragma unroll
            for (int i = 0; i < 10; ++i) {
                above[i] = here[i];
                here[i] = below[i];
            }
        }
    }

    __device__ void prepare() {
        float sum_x = 0.0f, sum_y = 0.0f, xx = 0.0f, xy = 0.0f, yy = 0.0f;
        for_each([&](float, float gx, float gy, int, int) {
            sum_x += gx;
            sum_y += gy;
        });
        mean_x = sum_x / 64.0f;
        mean_y = sum_y / 64.0f;
        for_each([&](float, float gx, float gy, int, int) {
            xx += (gx - mean_x) * (gx - mean_x);
            xy += (gx - mean_x) * (gy - mean_y);
            yy += (gy - mean_y) * (gy - mean_y);
        });
        xx += DAMPING;
        yy += DAMPING;
        const float scale = 1.0f / (xx * yy - xy * xy);
        inverse_xx = yy * scale;
        inverse_xy = -xy * scale;
        inverse_yy = xx * scale;
    }

    __device__ Cost evaluate(float2 flow) const {
        const Shift shift = split(flow, height, width);
        const Weights weights(shift);
        const int row = top + shift.down, column = left + shift.right;
        float upper[9], lower[9];
        float total = 0.0f, square = 0.0f, along_x = 0.0f, along_y = 0.0f;
#pragma unroll
        for (int i = 0; i < 9; ++i) lower[i] = at(b, row, column + i);
        for_each([&](float value, float gx, float gy, int j, int i) {
            if (i == 0) {
#pragma unroll
                for (int k = 0; k < 9; ++k) {
                    upper[k] = lower[k];
                    lower[k] = at(b, row + j + 1, column + k);
                }
            }
            const float d = weights.mix(upper[i], upper[i + 1], lower[i], lower[i + 1]) - value;
            total += d;
            square += d * d;
            along_x += (gx - mean_x) * d;
            along_y += (gy - mean_y) * d;
        });
        return {fmaxf(square - total * total / 64.0f, 0.0f), along_x, along_y};
    }
};

// Where patch (j, i) starts: zero, twice the flow of half the size at its centre, or the result of the round before.
template <Start kind>
__device__ float2 start_at(const float2* start, int j, int i, int height, int width, int columns) {
    if (kind == from_zero) return make_float2(0.0f, 0.0f);
    if (kind == from_patches) return start[j * columns + i];
    const int halves_y = (height + 1) / 2, halves_x = (width + 1) / 2;
    float y = fminf(4.0f * j + 1.5f, height - 1.0f), x = fminf(4.0f * i + 1.5f, width - 1.0f);
    y = fminf(fmaxf((y + 0.5f) * 0.5f - 0.5f, 0.0f), halves_y - 1.0f);
    x = fminf(fmaxf((x + 0.5f) * 0.5f - 0.5f, 0.0f), halves_x - 1.0f);
    const int top = static_cast<int>(y), left = static_cast<int>(x);
    const float down = y - top, right = x - left;
    const float2* upper = start + top * halves_x;
    const float2* lower = start + min(top + 1, halves_y - 1) * halves_x;
    const int after = min(left + 1, halves_x - 1);
    const float2 a = upper[left], b = upper[after], c = lower[left], d = lower[after];
    const float dx = (a.x * (1.0f - right) + b.x * right) * (1.0f - down) + (c.x * (1.0f - right) + d.x * right) * down;
    const float dy = (a.y * (1.0f - right) + b.y * right) * (1.0f - down) + (c.y * (1.0f - right) + d.y * right) * down;
    return make_float2(2.0f * dx, 2.0f * dy);
}

template <Start kind>
__global__ void inverse_search(const float* first, const float* second, int height, int width, int rows, int columns,
                               const float2* start, int reach, int descents, float2* out) {
    const Here here = locate(rows, columns);
    if (here.outside) return;
    const bool forward = blockIdx.z == 0;
    if (kind == from_patches) start += here.layer;
    if (kind == from_coarser && !forward) start += static_cast<size_t>((height + 1) / 2) * ((width + 1) / 2);
    Patch patch{};
    patch.a = forward ? first : second;
    patch.b = forward ? second : first;
    patch.height = height;
    patch.width = width;
    patch.top = 4 * here.y - 2;
    patch.left = 4 * here.x - 2;
    patch.prepare();
    float2 flow = start_at<kind>(start, here.y, here.x, height, width, columns);
    Cost cost = patch.evaluate(flow);
    for (int k = 0; k < 4 && reach > 0; ++k) {
        const int across = k == 0 ? reach : k == 1 ? -reach : 0, down = k == 2 ? reach : k == 3 ? -reach : 0;
        const float2 other = start_at<kind>(start, within(here.y + down, rows), within(here.x + across, columns), height, width, columns);
        if (fabsf(other.x - flow.x) + fabsf(other.y - flow.y) < SAME) continue;
        const Cost tried = patch.evaluate(other);
        if (tried.square < BETTER * cost.square) {
            flow = other;
            cost = tried;
        }
    }
    const float2 begin = flow;
    for (int step = 0; step < descents; ++step) {
        const float2 next = make_float2(flow.x - (patch.inverse_xx * cost.along_x + patch.inverse_xy * cost.along_y),
                                        flow.y - (patch.inverse_xy * cost.along_x + patch.inverse_yy * cost.along_y));
        const float gone_x = next.x - begin.x, gone_y = next.y - begin.y;
        if (!(gone_x * gone_x + gone_y * gone_y <= FARTHEST_SQUARED)) break;
        const Cost tried = patch.evaluate(next);
        if (!(tried.square < cost.square)) break;
        flow = next;
        cost = tried;
    }
    out[here.layer + here.index] = flow;
}
