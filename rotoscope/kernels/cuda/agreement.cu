// Agreement of two pictures and their flows: see still_flows.py and trust.py. One thread per pixel of a plane; separable windows take
// two kernels. `Luma` is unsigned char or float.
#include "sampling.cuh"

// Half of a symmetrical filter of 17 taps, from the middle on.
struct Gauss {
    float tap[9];
};

// |f + g|^2 <= relative (|f|^2 + |g|^2) + tolerance: the share that the left is of the right; NaN and infinity stay what they are.
__device__ inline float round_trip_error(float2 f, float2 g, float relative, float tolerance) {
    const float u = f.x + g.x, v = f.y + g.y;
    const float both = f.x * f.x + f.y * f.y + g.x * g.x + g.y * g.y;
    return (u * u + v * v) / (relative * both + tolerance);
}

// The index inside an axis of length `size`, reflected at its ends; the edge is not doubled.
__device__ inline int reflect(int index, int size) {
    if (size == 1) return 0;
    while (index < 0 || index >= size) index = index < 0 ? -index : 2 * size - 2 - index;
    return index;
}

template <class Luma>
__global__ void compare(const Luma* a, const Luma* b, const float2* flow_ab, const float2* flow_ba, int height, int width,
                        float relative, float tolerance, unsigned char* failed, float2* differences) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float2 f = flow_ab[here.index];
    const Aim at = aim(f, here.x, here.y, height, width);
    const float error = round_trip_error(f, sample_flow(flow_ba, at, height, width), relative, tolerance);
    failed[here.index] = !(error <= 1.0f);  // every comparison with NaN is false
    const float value = load(a, here.index);
    differences[here.index] = make_float2(value - sample_bilinear(b, at, height, width), value - load(b, here.index));
}

// Along each row: sums over 9 pixels of both differences and of their squares; whether one of 5 pixels failed.
__global__ void windows_across(const float2* differences, const unsigned char* failed, int height, int width, float4* sums,
                               unsigned char* near) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const int line = here.index - here.x;
    float4 total = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    for (int i = -4; i <= 4; ++i) {
        const float2 d = differences[line + reflect(here.x + i, width)];
        total.x += d.x;
        total.y += d.x * d.x;
        total.z += d.y;
        total.w += d.y * d.y;
    }
    sums[here.index] = total;
    bool any = false;
    for (int x = max(here.x - 2, 0); x <= min(here.x + 2, width - 1); ++x) any = any || failed[line + x] != 0;
    near[here.index] = any;
}

// Factors and allowances of the comparison, as in still_flows.py.
struct Limits {
    float unreliable_ratio, unreliable_levels, reliable_ratio, reliable_levels, brighter_levels;
};

__global__ void windows_down(const float4* sums, const unsigned char* near, int height, int width, Limits limits,
                             unsigned char* still) {
    const Here here = locate(height, width);
    if (here.outside) return;
    float4 total = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    for (int j = -4; j <= 4; ++j) total = add_scaled(total, sums[reflect(here.y + j, height) * width + here.x], 1.0f);
    bool unreliable = false;
    for (int y = max(here.y - 2, 0); y <= min(here.y + 2, height - 1); ++y)
        unreliable = unreliable || near[y * width + here.x] != 0;
    const float share = 1.0f / 81.0f;
    const float moved_mean = total.x * share, mean = total.z * share;
    const float moved_texture = sqrtf(fmaxf(total.y * share - moved_mean * moved_mean, 0.0f));
    const float texture = sqrtf(fmaxf(total.w * share - mean * mean, 0.0f));
    const bool explained =
        texture <= limits.reliable_ratio * moved_texture + limits.reliable_levels ||
        (unreliable && texture <= limits.unreliable_ratio * moved_texture + limits.unreliable_levels);
    still[here.index] = explained && fabsf(mean) <= limits.unreliable_ratio * fabsf(moved_mean) + limits.brighter_levels;
}

// 1 where most of the 5x5 places around are still; the border is repeated.
__global__ void still_votes(const unsigned char* still, int height, int width, unsigned char* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    int votes = 0;
    for (int j = -2; j <= 2; ++j)
        for (int i = -2; i <= 2; ++i)
            votes += still[min(max(here.y + j, 0), height - 1) * width + min(max(here.x + i, 0), width - 1)];
    out[here.index] = votes > 12;
}

template <class Value>
__global__ void gauss_across(const Value* plane, int height, int width, Gauss gauss, float* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const Value* row = plane + (here.index - here.x);
    float total = row[here.x] * gauss.tap[0];
    for (int i = 1; i <= 8; ++i)
        total += gauss.tap[i] * (static_cast<float>(row[reflect(here.x - i, width)]) + row[reflect(here.x + i, width)]);
    out[here.index] = total;
}

__device__ inline float gauss_down(const float* plane, const Here& here, int height, int width, const Gauss& gauss) {
    float total = plane[here.index] * gauss.tap[0];
    for (int j = 1; j <= 8; ++j)
        total += gauss.tap[j] *
                 (plane[reflect(here.y - j, height) * width + here.x] + plane[reflect(here.y + j, height) * width + here.x]);
    return total;
}

// Both flows times 1 less the softened still places; where that is 0 they are 0, even if they are NaN.
__global__ void stop_flows(const float* softened, const float2* flow_ab, const float2* flow_ba, int height, int width, Gauss gauss,
                           float2* out_ab, float2* out_ba) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float edge = gauss_down(softened, here, height, width, gauss);
    const float moving = 1.0f - fminf(fmaxf(2.0f * edge - 0.5f, 0.0f), 1.0f);
    const float2 f = flow_ab[here.index], g = flow_ba[here.index];
    const bool stands = !(moving > 0.0f);
    out_ab[here.index] = stands ? make_float2(0.0f, 0.0f) : make_float2(f.x * moving, f.y * moving);
    out_ba[here.index] = stands ? make_float2(0.0f, 0.0f) : make_float2(g.x * moving, g.y * moving);
}

// `doubt` is infinite where the flow leaves the picture, and NaN where it is NaN.
template <class Luma>
__global__ void judge(const Luma* a, const Luma* b, const float2* flow_ab, const float2* flow_ba, int height, int width,
                      float relative, float tolerance, float* difference, float* doubt) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float2 f = flow_ab[here.index];
    const Aim at = aim(f, here.x, here.y, height, width);
    difference[here.index] = fabsf(load(a, here.index) - sample_bilinear(b, at, height, width));
    const float error = round_trip_error(f, sample_flow(flow_ba, at, height, width), relative, tolerance);
    doubt[here.index] = at.inside ? error : INFINITY;
}

__global__ void trust_down(const float* blurred, const float* doubt, int height, int width, Gauss gauss, float levels, float alike,
                           float* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float difference = gauss_down(blurred, here, height, width, gauss), unsure = doubt[here.index];
    const float nearby = difference / levels, little = difference / alike;
    const bool known = unsure < INFINITY && difference >= 0.0f;  // not outside, not NaN
    out[here.index] = known ? expf(-fminf(unsure + nearby * nearby, little * little)) : 0.0f;
}
