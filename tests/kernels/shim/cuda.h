// What CUDA C++ adds to C++ as far as our sources use it, and a grid whose threads run one after the other. Races and barriers do
// not exist here; our kernels have no barriers.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __restrict__

using std::max;
using std::min;

struct uchar3 { unsigned char x, y, z; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct dim3 { unsigned x, y, z; };
inline uchar3 make_uchar3(unsigned char x, unsigned char y, unsigned char z) { return {x, y, z}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

inline dim3 blockIdx, blockDim, threadIdx, gridDim;

inline float atomicAdd(float* target, float value) { const float old = *target; *target += value; return old; }
inline unsigned atomicAdd(unsigned* target, unsigned value) { const unsigned old = *target; *target += value; return old; }

inline float rsqrtf(float value) { return 1.0f / sqrtf(value); }

inline float from_half(unsigned short bits) {
    _Float16 half;
    std::memcpy(&half, &bits, 2);
    return static_cast<float>(half);
}

inline unsigned short to_half(float value) {
    const _Float16 half = static_cast<_Float16>(value);
    unsigned short bits;
    std::memcpy(&bits, &half, 2);
    return bits;
}

namespace shim {

// Runs a kernel for every thread of the grid, one after the other.
template <class Kernel, class Tuple>
void run_grid(Kernel kernel, dim3 grid, dim3 block, const Tuple& arguments) {
    gridDim = grid;
    blockDim = block;
    for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x)
                for (threadIdx.y = 0; threadIdx.y < block.y; ++threadIdx.y)
                    for (threadIdx.x = 0; threadIdx.x < block.x; ++threadIdx.x) std::apply(kernel, arguments);
}

}  // namespace shim
