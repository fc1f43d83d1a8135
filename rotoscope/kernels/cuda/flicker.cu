// Flicker sums: see flicker_sums.py. Partial sums as in sums.cu: no barrier, no atomic, a fixed order.
#include "sampling.cuh"

__device__ inline float squared_distance(float4 a, float4 b) {
    const float x = a.x - b.x, y = a.y - b.y, z = a.z - b.z;
    return x * x + y * y + z * z;
}

// Three rows of partial sums: change along the flow where trusted, gradient energy, number of trusted pixels.
__global__ void flicker_partials(const float4* picture, const float4* past, const float2* flow, const float* trust, int height,
                                 int width, float trusted, float* partial) {
    const int thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
    float change = 0.0f, energy = 0.0f, count = 0.0f;
    for (int i = thread; i < height * width; i += threads) {
        const int x = i % width, y = i / width;
        const float4 here = picture[i];
        if (x + 1 < width) energy += squared_distance(here, picture[i + 1]);
        if (y + 1 < height) energy += squared_distance(here, picture[i + width]);
        if (!(trust[i] > trusted)) continue;
        change += squared_distance(here, sample_bilinear(past, aim(flow[i], x, y, height, width), height, width));
        count += 1.0f;
    }
    partial[thread] = change;
    partial[threads + thread] = energy;
    partial[2 * threads + thread] = count;
}
