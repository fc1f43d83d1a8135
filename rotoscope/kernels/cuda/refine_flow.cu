// Variational refinement of a flow: see refine_flow.py. One thread per pixel, blockIdx.z is the direction; a sweep reads one array
// and writes another, so there are no barriers and the order of the threads changes nothing. Eight roots and divisions for each pixel
// would take longer than its 60 bytes: rsqrtf is one instruction, exact to 2^-22.
#include "patches.cuh"

constexpr float BRIGHTNESS = 5.0f, GRADIENTS = 10.0f, SMOOTHNESS = 10.0f, EPSILON_SQUARED = 0.03f * 0.03f, NOISE = 1.0f;
constexpr float RELAXATION = 1.4f;

// The pixels of a picture around a position: at(down, right) reads it bilinearly, up to two pixels away.
struct Around {
    const float* picture;
    Weights weights;
    int rows[6], columns[6];

    __device__ Around(const float* picture_, Shift shift, int y, int x, int height, int width) : picture(picture_), weights(shift) {
#pragma unroll
        for (int k = 0; k < 6; ++k) {
            rows[k] = within(y + shift.down + k - 2, height) * width;
            columns[k] = within(x + shift.right + k - 2, width);
        }
    }

    __device__ float at(int down, int right) const {
        const float *upper = picture + rows[down + 2], *lower = picture + rows[down + 3];
        const int before = columns[right + 2], after = columns[right + 3];
        return weights.mix(upper[before], upper[after], lower[before], lower[after]);
    }
};

// equations: five planes for each direction, see _linearise_reference
template <class Vector>  // always float2; a template, so that launch.py finds it by name like the others
__global__ void linearise(const float* first, const float* second, int height, int width, const Vector* flow, float* equations) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const bool forward = blockIdx.z == 0;
    const float* a = forward ? first : second;
    const size_t plane = static_cast<size_t>(height) * width;
    float* out = equations + 5 * here.layer + here.index;
    const Vector at = flow[here.layer + here.index];
    const float u = at.x, v = at.y;
    const bool inside = u >= -static_cast<float>(here.x) && u <= static_cast<float>(width - 1 - here.x) &&
                        v >= -static_cast<float>(here.y) && v <= static_cast<float>(height - 1 - here.y);
    if (!inside) {
        for (int k = 0; k < 5; ++k) out[k * plane] = 0.0f;
        return;
    }
    const Around b(forward ? second : first, split(at, height, width), here.y, here.x, height, width);
    const int line = here.y * width;
    const float ax = (a[line + min(here.x + 1, width - 1)] - a[line + max(here.x - 1, 0)]) * 0.5f;
    const float ay = (a[min(here.y + 1, height - 1) * width + here.x] - a[max(here.y - 1, 0) * width + here.x]) * 0.5f;
    const float middle = b.at(0, 0);
    const float bx = (b.at(0, 1) - b.at(0, -1)) * 0.5f, by = (b.at(1, 0) - b.at(-1, 0)) * 0.5f;
    const float xx = (b.at(0, 2) - 2.0f * middle + b.at(0, -2)) * 0.25f;
    const float yy = (b.at(2, 0) - 2.0f * middle + b.at(-2, 0)) * 0.25f;
    const float xy = ((b.at(1, 1) + b.at(-1, -1)) - (b.at(1, -1) + b.at(-1, 1))) * 0.25f;
    const float e = middle - a[here.index], gx = (ax + bx) * 0.5f, gy = (ay + by) * 0.5f;
    const float scale = 1.0f / (gx * gx + gy * gy + NOISE);
    const float w = BRIGHTNESS * scale * rsqrtf(e * e * scale + EPSILON_SQUARED);
    const float ex = bx - ax, ey = by - ay;
    const float scale_x = 1.0f / (xx * xx + xy * xy + NOISE), scale_y = 1.0f / (xy * xy + yy * yy + NOISE);
    const float robust = GRADIENTS * rsqrtf(ex * ex * scale_x + ey * ey * scale_y + EPSILON_SQUARED);
    const float wx = robust * scale_x, wy = robust * scale_y;
    const float rest = gx * u + gy * v - e, rest_x = xx * u + xy * v - ex, rest_y = xy * u + yy * v - ey;
    out[0] = w * gx * gx + wx * xx * xx + wy * xy * xy;
    out[plane] = w * gx * gy + wx * xx * xy + wy * xy * yy;
    out[2 * plane] = w * gy * gy + wx * xy * xy + wy * yy * yy;
    out[3 * plane] = w * gx * rest + wx * xx * rest_x + wy * xy * rest_y;
    out[4 * plane] = w * gy * rest + wx * xy * rest_x + wy * yy * rest_y;
}

template <class Vector>
__global__ void smooth(const float* equations, int height, int width, const Vector* flow, Vector* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const size_t plane = static_cast<size_t>(height) * width;
    const float* own = equations + 5 * here.layer + here.index;
    flow += here.layer;
    const Vector at = flow[here.index];
    float sum_x = 0.0f, sum_y = 0.0f, weights = 1e-9f;
#pragma unroll
    for (int down = -1; down <= 1; ++down)
#pragma unroll
        for (int right = -1; right <= 1; ++right) {
            const int y = here.y + down, x = here.x + right;
            if ((down == 0 && right == 0) || y < 0 || y >= height || x < 0 || x >= width) continue;
            const Vector other = flow[y * width + x];
            const float dx = other.x - at.x, dy = other.y - at.y;
            const float share = down != 0 && right != 0 ? 0.5f * SMOOTHNESS : SMOOTHNESS;
            const float weight = share * rsqrtf(dx * dx + dy * dy + EPSILON_SQUARED);
            sum_x += weight * other.x;
            sum_y += weight * other.y;
            weights += weight;
        }
    const float xx = own[0] + weights, xy = own[plane], yy = own[2 * plane] + weights;
    const float right = own[3 * plane] + sum_x, down = own[4 * plane] + sum_y;
    const float share = 1.0f / (xx * yy - xy * xy);
    out[here.layer + here.index] = make_float2(at.x + RELAXATION * ((yy * right - xy * down) * share - at.x),
                                               at.y + RELAXATION * ((xx * down - xy * right) * share - at.y));
}
