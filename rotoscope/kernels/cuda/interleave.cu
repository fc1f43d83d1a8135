// Interleave: see interleave.py. One thread per pixel. Only pixels with NaN or infinite values touch the counter.
#include "pixels.cuh"

__device__ inline float read(const float* planar, long long index) { return planar[index]; }
__device__ inline float read(const Half2* planar, long long index) { return from_half(reinterpret_cast<const unsigned short*>(planar)[index]); }

struct Affine {
    float gain[3], offset[3], low, high;
};

// Elements from one channel, row and pixel of `planar` to the next.
struct Strides {
    long long channel, row, pixel;
};

// `planar` is half floats (Half2) or floats (float).
template <class In>
__global__ void interleave(const In* planar, Strides strides, Affine affine, bool bgr, int height, int width, unsigned* bad,
                           float4* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const long long index = here.y * strides.row + here.x * strides.pixel;
    float channel[3];
    unsigned not_finite = 0;
    for (int c = 0; c < 3; ++c) {
        const float value = read(planar, c * strides.channel + index);
        not_finite += !(fabsf(value) < INFINITY);  // every comparison with NaN is false
        channel[c] = fminf(fmaxf(value * affine.gain[c] + affine.offset[c], affine.low), affine.high);
    }
    out[here.index] = make_float4(channel[bgr ? 2 : 0], channel[1], channel[bgr ? 0 : 2], 0.0f);
    if (not_finite) atomicAdd(bad, not_finite);
}
