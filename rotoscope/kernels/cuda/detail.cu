// Detail: see detail.py. A Laplacian pyramid (Burt and Adelson 1983) as OpenCV's pyrDown and pyrUp make it. One thread per pixel. A level
// is `float` (one channel) or `float4` (the fourth is 0).
#include "pixels.cuh"

// The index inside an axis of length `size`, reflected at its ends; the edge is not doubled.
__device__ inline int reflect(int index, int size) {
    if (size == 1) return 0;
    while (index < 0 || index >= size) index = index < 0 ? -index : 2 * size - 2 - index;
    return index;
}

__device__ inline float tap(int offset) { return offset == 0 ? 0.375f : offset == 1 || offset == -1 ? 0.25f : 0.0625f; }

__global__ void grey_of(const float4* picture, int height, int width, float* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float4 pixel = picture[here.index];
    out[here.index] = (pixel.x + pixel.y + pixel.z) * (1.0f / 3.0f);
}

// Half the size, rounded up: (1,4,6,4,1)/16 along both axes, edges reflected.
template <class Value>
__global__ void pyramid_down(const Value* plane, int height_in, int width_in, int height, int width, Value* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    decltype(load(plane, 0)) total, line;
    fill(total, 0.0f);
    for (int j = -2; j <= 2; ++j) {
        const int row = reflect(2 * here.y + j, height_in) * width_in;
        fill(line, 0.0f);
        for (int i = -2; i <= 2; ++i) line = add_scaled(line, load(plane, row + reflect(2 * here.x + i, width_in)), tap(i));
        total = add_scaled(total, line, tap(j));
    }
    out[here.index] = total;
}

// One axis of doubling: pixel `index` mixes up to three of the smaller picture: (1,6,1)/8 at even places, (4,4)/8 at odd ones. Beyond
// the low end pixels are reflected, beyond the high end the last is repeated.
struct Doubling {
    int at[3];
    float weight[3];

    __device__ Doubling(int index, int size) {
        const int middle = index / 2, last = size - 1;
        const bool even = index % 2 == 0;
        at[0] = even ? (middle > 0 ? middle - 1 : min(1, last)) : min(middle, last);
        at[1] = min(middle + (even ? 0 : 1), last);
        at[2] = min(middle + 1, last);
        weight[0] = even ? 0.125f : 0.5f;
        weight[1] = even ? 0.75f : 0.5f;
        weight[2] = even ? 0.125f : 0.0f;
    }
};

// Pixel (x, y) of a level of (height, width) enlarged to twice its size.
template <class Value>
__device__ Value doubled(const Value* level, int x, int y, int height, int width) {
    const Doubling across(x, width), down(y, height);
    Value total, line;
    fill(total, 0.0f);
    for (int j = 0; j < 3; ++j) {
        fill(line, 0.0f);
        for (int i = 0; i < 3; ++i) line = add_scaled(line, level[down.at[j] * width + across.at[i]], across.weight[i]);
        total = add_scaled(total, line, down.weight[j]);
    }
    return total;
}

// What a level has beyond the enlarged coarser one.
template <class Value>
__global__ void band_of(const Value* level, const Value* coarser, int height, int width, int height_coarse, int width_coarse,
                        Value* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    out[here.index] = add_scaled(level[here.index], doubled(coarser, here.x, here.y, height_coarse, width_coarse), -1.0f);
}

__device__ inline float squared_step(float near, float far) { return (far - near) * (far - near); }
__device__ inline float squared_step(float4 near, float4 far) {
    return squared_step(near.x, far.x) + squared_step(near.y, far.y) + squared_step(near.z, far.z);
}

// Partial sums, as in sums.cu, of the squared differences to the right and below. With `weight` (float levels only), a second and a
// third row of partial sums hold them times the weight and times its square.
template <class Value>
__global__ void band_energy(const Value* band, const float* weight, int height, int width, float* partial) {
    const int thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
    float plain = 0.0f, once = 0.0f, twice = 0.0f;
    for (int i = thread; i < height * width; i += threads) {
        const int x = i % width, y = i / width;
        const Value here = band[i];
        float steps = 0.0f;
        if (x + 1 < width) steps += squared_step(here, band[i + 1]);
        if (y + 1 < height) steps += squared_step(here, band[i + width]);
        plain += steps;
        if (weight != nullptr) {
            const float share = weight[i];
            once += share * steps;
            twice += share * share * steps;
        }
    }
    partial[thread] = plain;
    if (weight != nullptr) {
        partial[threads + thread] = once;
        partial[2 * threads + thread] = twice;
    }
}

// One thread per octave. `sums`: for octave o, elements 5 o to 5 o + 4 are the energies of the averaged and the frame-wise picture, and
// of the grey band plain, weighted, weighted by the square. `energies` (4,4): plain, once, twice, wanted; they follow `sums` by `share`
// if it is above 0. `factors` (4): gain - 1.
__global__ void octave_gains(const float* sums, float share, float least, float most, const float* aim, float* energies,
                             float* factors) {
    const int octave = threadIdx.x;
    const float tiny = 1e-12f;
    if (share > 0.0f) {
        const float* now = sums + 5 * octave;
        const float measured[4] = {now[0], 3.0f * now[3], 3.0f * now[4], now[1]};
        for (int k = 0; k < 4; ++k)
            energies[4 * k + octave] = (1.0f - share) * energies[4 * k + octave] + share * measured[k];
    }
    const float plain = energies[octave], once = energies[4 + octave], twice = energies[8 + octave];
    const float wanted = aim[octave] * energies[12 + octave];
    const float root = sqrtf(fmaxf(once * once + twice * (wanted - plain), 0.0f));
    factors[octave] = fminf(fmaxf((root - once) / fmaxf(twice, tiny), least), most);
}

// more = (level - doubled coarser level) * weight * factor + doubled coarser `more`; null for the coarsest octave.
__global__ void collapse(const float* level, const float* coarser, const float* weight, const float* factors, int octave,
                         const float* more_coarser, int height, int width, int height_coarse, int width_coarse, float* more) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float band = level[here.index] - doubled(coarser, here.x, here.y, height_coarse, width_coarse);
    float value = band * weight[here.index] * factors[octave];
    if (more_coarser != nullptr) value += doubled(more_coarser, here.x, here.y, height_coarse, width_coarse);
    more[here.index] = value;
}

// The finest octave: added to three channels of the picture. `grey`, unless null: the mean of the channels with it.
__global__ void collapse_onto(const float4* picture, const float* level, const float* coarser, const float* weight,
                              const float* factors, const float* more_coarser, int height, int width, int height_coarse,
                              int width_coarse, float* grey, float4* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float value = level[here.index];
    const float band = value - doubled(coarser, here.x, here.y, height_coarse, width_coarse);
    const float more =
        band * weight[here.index] * factors[0] + doubled(more_coarser, here.x, here.y, height_coarse, width_coarse);
    if (grey != nullptr) grey[here.index] = value + more;
    const float4 pixel = picture[here.index];
    out[here.index] = make_float4(pixel.x + more, pixel.y + more, pixel.z + more, pixel.w);
}

// One thread per octave: the aim follows what the last gains reached. `reached` (4): energies of the grey bands with them.
__global__ void octave_aims(const float* sums, const float* reached, float least, float most, float* aim) {
    const int octave = threadIdx.x;
    const float* now = sums + 5 * octave;
    const float energy = now[0] + 3.0f * (reached[octave] - now[2]);
    const float ratio = fminf(fmaxf(now[1] / fmaxf(energy, 1e-12f), 0.5f), 2.0f);
    aim[octave] = fminf(fmaxf(aim[octave] * sqrtf(ratio), least), most);
}
