// Pixels and flow vectors. A thread loads one value at a time: float4 of an interleaved picture (H,W,4), uchar3 of (H,W,3), or
// float, one channel of a planar picture (C,H,W). The functions below exist for each of these types.
#pragma once

struct Half2 {  // one flow vector of half floats, stored as bits
    unsigned short x, y;
};

#ifdef __CUDA_ARCH__  // the test shim for CPUs has its own versions of these two
__device__ inline float from_half(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

__device__ inline unsigned short to_half(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

#ifndef INFINITY  // NVRTC compiles without standard headers
#define INFINITY __int_as_float(0x7f800000)
#endif
#endif

// The pixel that this thread writes. Blocks may extend beyond the picture: kernels begin with `if (here.outside) return;`.
struct Here {
    int x, y, index;
    size_t layer;  // elements before this channel of a planar picture
    bool first_layer, outside;
};

__device__ inline Here locate(int height, int width) {
    Here here;
    here.x = blockIdx.x * blockDim.x + threadIdx.x;
    here.y = blockIdx.y * blockDim.y + threadIdx.y;
    here.outside = here.x >= width || here.y >= height;
    here.index = here.outside ? 0 : here.y * width + here.x;
    here.layer = static_cast<size_t>(blockIdx.z) * height * width;
    here.first_layer = blockIdx.z == 0;
    return here;
}

__device__ inline float load(const float* picture, int index) { return picture[index]; }
__device__ inline float load(const unsigned char* picture, int index) { return picture[index]; }
__device__ inline float4 load(const float4* picture, int index) { return picture[index]; }
__device__ inline float4 load(const uchar3* picture, int index) {
    const uchar3 pixel = picture[index];
    return make_float4(pixel.x, pixel.y, pixel.z, 0.0f);
}

__device__ inline unsigned char round_to_byte(float value) {
    return static_cast<unsigned char>(fminf(fmaxf(value + 0.5f, 0.0f), 255.0f));
}

__device__ inline void store(float* picture, int index, float value) { picture[index] = value; }
__device__ inline void store(float4* picture, int index, float4 value) { picture[index] = value; }
__device__ inline void store(uchar3* picture, int index, float4 value) {
    picture[index] = make_uchar3(round_to_byte(value.x), round_to_byte(value.y), round_to_byte(value.z));
}

__device__ inline float2 load_flow(const float2* flow, int index) { return flow[index]; }
__device__ inline float2 load_flow(const Half2* flow, int index) {
    const Half2 vector = flow[index];
    return make_float2(from_half(vector.x), from_half(vector.y));
}

__device__ inline float scaled(float value, float factor) { return value * factor; }
__device__ inline float4 scaled(float4 value, float factor) {
    return make_float4(value.x * factor, value.y * factor, value.z * factor, value.w * factor);
}

__device__ inline float add_scaled(float total, float value, float factor) { return fmaf(value, factor, total); }
__device__ inline float4 add_scaled(float4 total, float4 value, float factor) {
    return make_float4(fmaf(value.x, factor, total.x), fmaf(value.y, factor, total.y), fmaf(value.z, factor, total.z),
                       fmaf(value.w, factor, total.w));
}

__device__ inline float lower(float a, float b) { return fminf(a, b); }
__device__ inline float4 lower(float4 a, float4 b) {
    return make_float4(fminf(a.x, b.x), fminf(a.y, b.y), fminf(a.z, b.z), fminf(a.w, b.w));
}

__device__ inline float higher(float a, float b) { return fmaxf(a, b); }
__device__ inline float4 higher(float4 a, float4 b) {
    return make_float4(fmaxf(a.x, b.x), fmaxf(a.y, b.y), fmaxf(a.z, b.z), fmaxf(a.w, b.w));
}

__device__ inline void fill(float& value, float number) { value = number; }
__device__ inline void fill(float4& value, float number) { value = make_float4(number, number, number, number); }
