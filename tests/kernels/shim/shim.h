// Runs CUDA kernels on the CPU: what CUDA C++ adds to C++ as far as our sources use it, and a server that reads a launch from
// standard input, runs the grid thread by thread and writes every buffer back. Buffers are allocated to the exact byte, so
// that the address sanitizer sees one element too far. Races and barriers do not exist here; our kernels have no barriers.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

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

inline void read_bytes(void* target, size_t size) {
    if (size && std::fread(target, 1, size, stdin) != size) std::exit(3);
}

template <class T>
T read() {
    T value;
    read_bytes(&value, sizeof(T));
    return value;
}

struct Buffer { uint64_t size; void* memory; };
inline std::map<uint64_t, Buffer> buffers;  // by the address that they have in the calling process

template <class T, class = void>
constexpr bool holds_pointers = false;
template <class T>
constexpr bool holds_pointers<T, std::void_t<decltype(T::at)>> = true;

template <class T>
void translate(T& value) {
    if constexpr (std::is_pointer_v<T>) {
        uint64_t address;
        std::memcpy(&address, &value, 8);
        value = address ? static_cast<T>(buffers.at(address).memory) : nullptr;
    } else if constexpr (holds_pointers<T>) {
        for (auto& pointer : value.at) translate(pointer);
    }
}

template <class T>
T argument() {
    T value = read<T>();
    translate(value);
    return value;
}

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

template <class... Arguments>
void launch(void (*kernel)(Arguments...), dim3 grid, dim3 block) {
    run_grid(kernel, grid, block, std::tuple<Arguments...>{argument<Arguments>()...});
}

// Standard input: index of the kernel, grid, block, number of buffers, (address, size, bytes) of each, arguments.
template <class Table>
int serve(const Table& table) {
    const int kernel = read<int>();
    const dim3 grid = read<dim3>(), block = read<dim3>();
    std::vector<uint64_t> order(read<int>());
    for (auto& address : order) {
        address = read<uint64_t>();
        const uint64_t size = read<uint64_t>();
        buffers[address] = {size, std::malloc(size)};
        read_bytes(buffers[address].memory, size);
    }
    table[kernel](grid, block);
    for (const auto address : order) {
        std::fwrite(buffers[address].memory, 1, buffers[address].size, stdout);
        std::free(buffers[address].memory);
    }
    return 0;
}

}  // namespace shim
