// Resize a picture or a flow: see resize.py and resize_flow.py. One thread per pixel of the result (per channel if planar).
// Positions are computed in double, like the NumPy tables of the CPU version, everything else in float.
#include "pixels.cuh"

enum Method { bilinear, area, bicubic };

// Inputs first to first + count - 1 contribute to output `index` of one axis; they are not yet clamped to the border.
template <Method method>
struct Taps {
    int first, count, size_in;
    double begin, end, scale;

    __device__ Taps(int index, int size_in_, int size_out) : size_in(size_in_) {
        scale = static_cast<double>(size_in) / size_out;
        if (method == area) {
            begin = index * scale;
            end = (index + 1) * scale;
            first = static_cast<int>(floor(begin));
            count = min(static_cast<int>(ceil(end)), size_in) - first;
        } else {
            begin = (index + 0.5) * scale - 0.5;
            count = method == bilinear ? 2 : 4;
            first = static_cast<int>(floor(begin)) - count / 2 + 1;
        }
    }

    __device__ int at(int tap) const { return min(max(first + tap, 0), size_in - 1); }

    __device__ float weight(int tap) const {
        const int input = first + tap;
        if (method == area) return static_cast<float>(fmax(fmin(input + 1.0, end) - fmax(static_cast<double>(input), begin), 0.0) / scale);
        const float distance = static_cast<float>(fabs(begin - input));
        if (method == bilinear) return 1.0f - distance;
        constexpr float a = -0.75f;
        if (distance <= 1.0f) return ((a + 2.0f) * distance - (a + 3.0f)) * distance * distance + 1.0f;
        return ((a * distance - 5.0f * a) * distance + 8.0f * a) * distance - 4.0f * a;
    }
};

template <class Pixel, Method method>
__global__ void resize(const Pixel* picture, int height_in, int width_in, int height, int width, Pixel* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const Pixel* source = picture + static_cast<size_t>(blockIdx.z) * height_in * width_in;
    const Taps<method> rows(here.y, height_in, height), columns(here.x, width_in, width);
    decltype(load(source, 0)) total, line;
    fill(total, 0.0f);
    for (int j = 0; j < rows.count; ++j) {
        fill(line, 0.0f);
        for (int i = 0; i < columns.count; ++i)
            line = add_scaled(line, load(source, rows.at(j) * width_in + columns.at(i)), columns.weight(i));
        total = add_scaled(total, line, rows.weight(j));
    }
    store(out + here.layer, here.index, total);
}

template <class Flow>
__global__ void resize_flow(const Flow* flow, int height_in, int width_in, int height, int width, float2* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const Taps<bilinear> rows(here.y, height_in, height), columns(here.x, width_in, width);
    float u = 0.0f, v = 0.0f;
    for (int j = 0; j < 2; ++j)
        for (int i = 0; i < 2; ++i) {
            const float2 vector = load_flow(flow, rows.at(j) * width_in + columns.at(i));
            const float weight = rows.weight(j) * columns.weight(i);
            u += vector.x * weight;
            v += vector.y * weight;
        }
    const float factor_x = static_cast<float>(static_cast<double>(width) / width_in);
    const float factor_y = static_cast<float>(static_cast<double>(height) / height_in);
    out[here.index] = make_float2(u * factor_x, v * factor_y);
}
