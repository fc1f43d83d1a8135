// Sums over whole planes: see sums.py. No barrier, no atomic: each thread adds elements that lie a fixed distance apart, so that
// neighbouring threads load neighbouring elements and the order of additions never changes.
#include "pixels.cuh"

struct Pointers {
    const void* at[14];
};

// Loops are unrolled so that a thread waits for several loads at once, not for one after the other.

// One row of blocks per plane: partial[k * gridDim.x * blockDim.x + t].
__global__ void plane_partials(Pointers planes, int size, float* partial) {
    const int thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
    const float* plane = nullptr;
#pragma unroll
    for (int k = 0; k < 14; ++k)  // fixed places: otherwise each thread copies the struct to its own memory
        if (k == static_cast<int>(blockIdx.y)) plane = static_cast<const float*>(planes.at[k]);
    float total = 0.0f;
#pragma unroll 8
    for (int i = thread; i < size; i += threads) total += plane[i];
    partial[blockIdx.y * threads + thread] = total;
}

// (K,count) to (K,count_out): one thread per result.
__global__ void fold(const float* partial, int count, int count_out, float* out) {
    const int thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= count_out) return;
    const float* row = partial + static_cast<size_t>(blockIdx.y) * count;
    float total = 0.0f;
#pragma unroll 16
    for (int i = thread; i < count; i += count_out) total += row[i];
    out[blockIdx.y * count_out + thread] = total;
}
