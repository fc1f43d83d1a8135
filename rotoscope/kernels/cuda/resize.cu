// Resize a picture, a plane or a flow: see resize.py, resize_grey.py and resize_flow.py. One thread per pixel of the result (per
// channel if planar). The taps of each axis come from tables: output o = sum over t of weights[o * count + t] * input[first[o] + t].
#include "pixels.cuh"

template <class Pixel>
__global__ void resize(const Pixel* picture, int height_in, int width_in, int height, int width, const int* first_y,
                       const float* weights_y, int count_y, const int* first_x, const float* weights_x, int count_x, Pixel* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const Pixel* source = picture + static_cast<size_t>(blockIdx.z) * height_in * width_in;
    const int top = first_y[here.y], left = first_x[here.x];
    decltype(load(source, 0)) total, line;
    fill(total, 0.0f);
    for (int j = 0; j < count_y; ++j) {
        fill(line, 0.0f);
        for (int i = 0; i < count_x; ++i)
            line = add_scaled(line, load(source, (top + j) * width_in + left + i), weights_x[here.x * count_x + i]);
        total = add_scaled(total, line, weights_y[here.y * count_y + j]);
    }
    store(out + here.layer, here.index, total);
}

__device__ inline void put(float* out, float value) { *out = value; }
__device__ inline void put(unsigned char* out, float value) { *out = round_to_byte(value); }
__device__ inline void put(unsigned short* out, float value) {
    *out = static_cast<unsigned short>(fminf(fmaxf(value + 0.5f, 0.0f), 65535.0f));
}

// `stride`: elements from one row of the plane to the next.
template <class Code, class Out>
__global__ void resize_grey(const Code* plane, int stride, int height, int width, const int* first_y, const float* weights_y,
                            int count_y, const int* first_x, const float* weights_x, int count_x, float gain, bool rounds, Out* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const int top = first_y[here.y], left = first_x[here.x];
    float total = 0.0f;
    for (int j = 0; j < count_y; ++j) {
        const Code* row = plane + static_cast<size_t>(top + j) * stride + left;
        float line = 0.0f;
        for (int i = 0; i < count_x; ++i) line = fmaf(row[i], weights_x[here.x * count_x + i], line);
        total = fmaf(line, weights_y[here.y * count_y + j], total);
    }
    if (rounds) total = floorf(total + 0.5f);
    put(out + here.index, total * gain);
}

// `stride`: vectors from one row of the flow to the next.
template <class Flow>
__global__ void resize_flow(const Flow* flow, int stride, int height, int width, const int* first_y, const float* weights_y,
                            int count_y, const int* first_x, const float* weights_x, int count_x, float factor_x, float factor_y,
                            float2* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const int top = first_y[here.y], left = first_x[here.x];
    float u = 0.0f, v = 0.0f;
    for (int j = 0; j < count_y; ++j)
        for (int i = 0; i < count_x; ++i) {
            const float2 vector = load_flow(flow, (top + j) * stride + left + i);
            const float weight = weights_y[here.y * count_y + j] * weights_x[here.x * count_x + i];
            u += vector.x * weight;
            v += vector.y * weight;
        }
    out[here.index] = make_float2(u * factor_x, v * factor_y);
}

// Elements from one row, pixel and component of a flow to the next.
struct Strides {
    long long row, pixel, component;
};

__device__ inline float read(const float* values, long long index) { return values[index]; }
__device__ inline float read(const unsigned short* values, long long index) { return from_half(values[index]); }

// The same for a flow of any strides; `unsigned short` holds the bits of half floats.
template <class Element>
__global__ void resize_components(const Element* flow, Strides strides, int height, int width, const int* first_y,
                                  const float* weights_y, int count_y, const int* first_x, const float* weights_x, int count_x,
                                  float factor_x, float factor_y, float2* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const int top = first_y[here.y], left = first_x[here.x];
    float u = 0.0f, v = 0.0f;
    for (int j = 0; j < count_y; ++j)
        for (int i = 0; i < count_x; ++i) {
            const long long at = (top + j) * strides.row + (left + i) * strides.pixel;
            const float weight = weights_y[here.y * count_y + j] * weights_x[here.x * count_x + i];
            u += read(flow, at) * weight;
            v += read(flow, at + strides.component) * weight;
        }
    out[here.index] = make_float2(u * factor_x, v * factor_y);
}
