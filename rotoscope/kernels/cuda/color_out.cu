// Colour out: see color_out.py. `luma_out` and `rgb_out` use one thread per pixel, `chroma_out` one per chroma sample.
#include "pixels.cuh"

// Code value = luma * scale + offset, clipped to [0, top]; the same for chroma.
struct Coding {
    float kr, kg, kb, scale, offset, top;
};

struct Chroma {
    int across, down, step, columns, rows;
};

struct Filters {
    float across[7], down[7];
};

// Bayer's 8x8 pattern in (-0.5, 0.5), from the interleaved three low bits of x and y, lowest bit first.
__device__ inline float pattern(int x, int y, bool dither) {
    if (!dither) return 0.0f;
    int rank = 0;
    for (int bit = 0; bit < 3; ++bit) {
        const int i = x >> bit & 1, j = y >> bit & 1;
        rank = rank * 4 + (((i ^ j) << 1) | j);
    }
    return (rank + 0.5f) / 64.0f - 0.5f;
}

template <class Code>
__device__ Code quantise(float value, float top) {  // NaN gives 0: fmaxf returns the other operand
    return static_cast<Code>(fminf(fmaxf(value + 0.5f, 0.0f), top));
}

template <class Code>
__global__ void rgb_out(const float4* picture, int stride, int height, int width, float top, bool dither, Code* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float4 pixel = picture[static_cast<size_t>(here.y) * stride + here.x];
    const float shift = pattern(here.x, here.y, dither);
    Code* target = out + 3 * static_cast<size_t>(here.index);
    target[0] = quantise<Code>(pixel.x * top + shift, top);
    target[1] = quantise<Code>(pixel.y * top + shift, top);
    target[2] = quantise<Code>(pixel.z * top + shift, top);
}

__device__ inline float luma_of(float4 pixel, const Coding& coding) {
    return pixel.x * coding.kr + pixel.y * coding.kg + pixel.z * coding.kb;
}

template <class Code>
__global__ void luma_out(const float4* picture, int stride, int height, int width, Coding coding, bool dither, Code* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float luma = luma_of(picture[static_cast<size_t>(here.y) * stride + here.x], coding);
    out[here.index] = quantise<Code>(luma * coding.scale + coding.offset + pattern(here.x, here.y, dither), coding.top);
}

template <class Code>
__global__ void chroma_out(const float4* picture, int stride, int height, int width, Chroma chroma, Filters filters,
                           Coding coding, bool dither, Code* cb, Code* cr) {
    const Here here = locate(chroma.rows, chroma.columns);
    if (here.outside) return;
    float u = 0.0f, v = 0.0f;
    for (int j = 0; j < 7; ++j) {
        if (filters.down[j] == 0.0f) continue;
        const int y = min(max(here.y * chroma.down + j - 3, 0), height - 1);
        for (int i = 0; i < 7; ++i) {
            if (filters.across[i] == 0.0f) continue;
            const int x = min(max(here.x * chroma.across + i - 3, 0), width - 1);
            const float4 pixel = picture[static_cast<size_t>(y) * stride + x];
            const float luma = luma_of(pixel, coding), weight = filters.down[j] * filters.across[i];
            u += weight * (pixel.z - luma);
            v += weight * (pixel.x - luma);
        }
    }
    const float shift = pattern(here.x, here.y, dither) + coding.offset;
    const size_t index = static_cast<size_t>(here.index) * chroma.step;
    if (cr == nullptr) cr = cb + 1;  // NV12
    cb[index] = quantise<Code>(u * (0.5f / (1.0f - coding.kb)) * coding.scale + shift, coding.top);
    cr[index] = quantise<Code>(v * (0.5f / (1.0f - coding.kr)) * coding.scale + shift, coding.top);
}
