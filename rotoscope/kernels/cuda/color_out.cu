// Colour out: see color_out.py. `luma_out` and `rgb_out` use one thread per pixel. `ycc_out` uses one per chroma sample: the thread
// writes that sample and its luma pixels, so that the picture is read once. Where kernels must agree to the last bit, products
// and sums are joined by hand (fmaf), because the compiler joins them as it likes.
#include "pixels.cuh"

// Code value = luma * scale + offset, clipped to [0, top]; the same for chroma.
struct Coding {
    float kr, kg, kb, scale, offset, top;
};

// Luma pixels per sample across and down, elements between samples (2 in NV12), samples per row, rows, elements between rows.
struct Chroma {
    int across, down, step, columns, rows, line;
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

__device__ inline float4 read(const float4* picture, int stride, int x, int y, bool clip) {
    const float4 pixel = picture[static_cast<size_t>(y) * stride + x];
    if (!clip) return pixel;
    return make_float4(fminf(fmaxf(pixel.x, 0.0f), 1.0f), fminf(fmaxf(pixel.y, 0.0f), 1.0f), fminf(fmaxf(pixel.z, 0.0f), 1.0f), 0.0f);
}

// `stride`: pixels from one row of the picture to the next; `stride_out`: elements from one row of `out` to the next.
template <class Code>
__global__ void rgb_out(const float4* picture, int stride, int height, int width, bool clip, float top, bool dither, int stride_out,
                        Code* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float4 pixel = read(picture, stride, here.x, here.y, clip);
    const float shift = pattern(here.x, here.y, dither);
    Code* target = out + static_cast<size_t>(here.y) * stride_out + 3 * here.x;
    target[0] = quantise<Code>(pixel.x * top + shift, top);
    target[1] = quantise<Code>(pixel.y * top + shift, top);
    target[2] = quantise<Code>(pixel.z * top + shift, top);
}

__device__ inline float luma_of(float4 pixel, const Coding& coding) {
    return fmaf(pixel.z, coding.kb, fmaf(pixel.y, coding.kg, pixel.x * coding.kr));
}

template <class Code>
__device__ void put_luma(float4 pixel, const Coding& coding, int x, int y, bool dither, int stride_out, Code* out) {
    const float luma = fmaf(luma_of(pixel, coding), coding.scale, coding.offset);
    out[static_cast<size_t>(y) * stride_out + x] = quantise<Code>(luma + pattern(x, y, dither), coding.top);
}

template <class Code>
__global__ void luma_out(const float4* picture, int stride, int height, int width, bool clip, Coding coding, bool dither,
                         int stride_out, Code* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    put_luma(read(picture, stride, here.x, here.y, clip), coding, here.x, here.y, dither, stride_out, out);
}

// `cr` is null for NV12.
template <class Code>
__global__ void ycc_out(const float4* picture, int stride, int height, int width, bool clip, Chroma chroma, Filters filters,
                        Coding luma_coding, Coding coding, bool dither, int stride_out, Code* out, Code* cb, Code* cr) {
    const Here here = locate(chroma.rows, chroma.columns);
    if (here.outside) return;
    const int left = here.x * chroma.across, top = here.y * chroma.down;
    float u = 0.0f, v = 0.0f;
    for (int j = 0; j < 7; ++j) {
        if (filters.down[j] == 0.0f) continue;
        const int y = min(max(top + j - 3, 0), height - 1);
        for (int i = 0; i < 7; ++i) {
            if (filters.across[i] == 0.0f) continue;
            const int x = min(max(left + i - 3, 0), width - 1);
            const float4 pixel = read(picture, stride, x, y, clip);
            const float luma = luma_of(pixel, coding), weight = filters.down[j] * filters.across[i];
            u = fmaf(weight, pixel.z - luma, u);
            v = fmaf(weight, pixel.x - luma, v);
        }
    }
    for (int y = top; y < min(top + chroma.down, height); ++y)
        for (int x = left; x < min(left + chroma.across, width); ++x)  // cached: the filter has read these pixels
            put_luma(read(picture, stride, x, y, clip), luma_coding, x, y, dither, stride_out, out);
    const float shift = pattern(here.x, here.y, dither) + coding.offset;
    const size_t index = static_cast<size_t>(here.y) * chroma.line + here.x * chroma.step;
    if (cr == nullptr) cr = cb + 1;
    cb[index] = quantise<Code>(fmaf(u * (0.5f / (1.0f - coding.kb)), coding.scale, shift), coding.top);
    cr[index] = quantise<Code>(fmaf(v * (0.5f / (1.0f - coding.kr)), coding.scale, shift), coding.top);
}
