// Colour in: see color_in.py. One thread per pixel of the result, including padding.
#include "pixels.cuh"

// Channel c of the result = m[c] . (luma, Cb, Cr, 1) of code values, or m[c] . (red, green, blue, 1). (first_x, first_y) is the
// position of the first chroma sample, in luma pixels.
struct Coding {
    float m[3][4], first_x, first_y;
};

// Chroma planes: luma pixels per sample across and down, elements between samples (2 in NV12), samples per row, rows, elements
// between rows.
struct Chroma {
    int across, down, step, columns, rows, line;
};

// The row or column that pads position `index` of an axis of length `size`.
__device__ inline int mirror(int index, int size, bool edge) {
    if (index < size) return index;
    if (edge || size == 1) return size - 1;
    index %= 2 * size - 2;
    return index < size ? index : 2 * size - 2 - index;
}

template <class Code>
__device__ float sample_chroma(const Code* plane, int x, int y, const Chroma& chroma, const Coding& coding) {
    const float to_x = chroma.across == 2 ? (x - coding.first_x) * 0.5f : x;
    const float to_y = chroma.down == 2 ? (y - coding.first_y) * 0.5f : y;
    const float at_x = fminf(fmaxf(to_x, 0.0f), chroma.columns - 1.0f), at_y = fminf(fmaxf(to_y, 0.0f), chroma.rows - 1.0f);
    const int left = static_cast<int>(at_x), top = static_cast<int>(at_y);
    const int right = min(left + 1, chroma.columns - 1), low = min(top + 1, chroma.rows - 1);
    const float across = at_x - left, down = at_y - top;
    const Code *upper = plane + static_cast<size_t>(top) * chroma.line, *lower = plane + static_cast<size_t>(low) * chroma.line;
    const float a = upper[left * chroma.step], b = upper[right * chroma.step];
    const float c = lower[left * chroma.step], d = lower[right * chroma.step];
    const float above = a + (b - a) * across, below = c + (d - c) * across;
    return above + (below - above) * down;
}

__device__ inline float channel(const Coding& coding, int c, float x, float y, float z) {
    return coding.m[c][0] * x + coding.m[c][1] * y + coding.m[c][2] * z + coding.m[c][3];
}

// Elements from one channel, row and pixel of a planar `out` to the next.
struct Target {
    long long channel, row, pixel;

    __device__ long long offset(int c, const Here& here) const { return c * channel + here.y * row + here.x * pixel; }
};

// `out` is planar half floats (Half2), floats (float) or bytes (unsigned char), or interleaved floats (float4).
__device__ inline void put(float* out, const Here& here, const Target& to, const Coding& coding, float x, float y, float z) {
    for (int c = 0; c < 3; ++c) out[to.offset(c, here)] = channel(coding, c, x, y, z);
}
__device__ inline void put(Half2* out, const Here& here, const Target& to, const Coding& coding, float x, float y, float z) {
    unsigned short* bits = reinterpret_cast<unsigned short*>(out);
    for (int c = 0; c < 3; ++c) bits[to.offset(c, here)] = to_half(channel(coding, c, x, y, z));
}
__device__ inline void put(unsigned char* out, const Here& here, const Target& to, const Coding& coding, float x, float y, float z) {
    for (int c = 0; c < 3; ++c)
        out[to.offset(c, here)] = static_cast<unsigned char>(fminf(fmaxf(rintf(channel(coding, c, x, y, z)), 0.0f), 255.0f));
}
__device__ inline void put(float4* out, const Here& here, const Target&, const Coding& coding, float x, float y, float z) {
    out[here.index] = make_float4(channel(coding, 0, x, y, z), channel(coding, 1, x, y, z), channel(coding, 2, x, y, z), 0.0f);
}

// `cb` is null for a grey picture, `cr` for NV12. `stride`: elements from one row of luma to the next.
template <class Code, class Out>
__global__ void color_in(const Code* luma, const Code* cb, const Code* cr, int height, int width, int stride, Chroma chroma,
                         Coding coding, bool edge, int height_out, int width_out, Target to, Out* out) {
    const Here here = locate(height_out, width_out);
    if (here.outside) return;
    const int x = mirror(here.x, width, edge), y = mirror(here.y, height, edge);
    float u = 0.0f, v = 0.0f;
    if (cb != nullptr) {
        u = sample_chroma(cb, x, y, chroma, coding);
        v = sample_chroma(cr != nullptr ? cr : cb + 1, x, y, chroma, coding);
    }
    put(out, here, to, coding, luma[static_cast<size_t>(y) * stride + x], u, v);
}

// The same for (H,W,channels) RGB: code values, or the pipeline's float picture.
template <class Code, class Out>
__global__ void rgb_in(const Code* picture, int channels, int height, int width, int stride, Coding coding, bool edge,
                       int height_out, int width_out, Target to, Out* out) {
    const Here here = locate(height_out, width_out);
    if (here.outside) return;
    const int x = mirror(here.x, width, edge), y = mirror(here.y, height, edge);
    const Code* pixel = picture + static_cast<size_t>(y) * stride + channels * x;
    put(out, here, to, coding, pixel[0], pixel[1], pixel[2]);
}
