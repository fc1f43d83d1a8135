// HDR from SDR: see hdr.py, whose constants these are. One thread per pixel.
#include "pixels.cuh"

__device__ inline float shown_light(float value) {  // in units of reference white
    const float y = powf(fminf(fmaxf(value, 0.0f), 1.0f), 2.4f), rest = 1.0f - y;
    const float white = (1000.0f / 203.0f) * (1000.0f / 203.0f);
    return white / 2.0f * (sqrtf(rest * rest + 4.0f * y / white) - rest);
}

__device__ inline float within_peak(float light) { return fminf(fmaxf(light * 203.0f, 0.0f), 1000.0f); }

__device__ inline float pq_value(float light) {
    const float power = powf(light / 10000.0f, 2610.0f / 16384.0f);
    return powf((3424.0f / 4096.0f + 2413.0f / 128.0f * power) / (1.0f + 2392.0f / 128.0f * power), 2523.0f / 32.0f);
}

__device__ inline float hlg_value(float scene) {
    if (scene <= 1.0f / 12.0f) return sqrtf(3.0f * scene);
    return 0.17883277f * logf(fmaxf(12.0f * scene - 0.28466892f, 1e-9f)) + 0.55991073f;
}

__global__ void hdr_from_sdr(const float4* picture, bool is_pq, int size, float4* out) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    const float4 pixel = picture[i];
    const float r = shown_light(pixel.x), g = shown_light(pixel.y), b = shown_light(pixel.z);
    float red = within_peak(0.62740940f * r + 0.32926023f * g + 0.04327189f * b);
    float green = within_peak(0.06912484f * r + 0.91954863f * g + 0.01132077f * b);
    float blue = within_peak(0.01642336f * r + 0.08804784f * g + 0.89561671f * b);
    if (is_pq) {
        out[i] = make_float4(pq_value(red), pq_value(green), pq_value(blue), pixel.w);
        return;
    }
    const float luminance = (0.2627f * red + 0.6780f * green + 0.0593f * blue) / 1000.0f;
    const float factor = powf(fmaxf(luminance, 1e-9f), (1.0f - 1.2f) / 1.2f) / 1000.0f;
    out[i] = make_float4(hlg_value(red * factor), hlg_value(green * factor), hlg_value(blue * factor), pixel.w);
}
