// Place a map of numbers or a mask: see place_map.py. One thread per pixel of the result, padding included.
#include "pixels.cuh"

// Elements from one row and pixel of `out` to the next.
struct Strides {
    long long row, pixel;
};

// `unsigned short` holds the bits of half floats.
__device__ inline void put(float* out, float value) { *out = value; }
__device__ inline void put(int* out, int value) { *out = value; }
__device__ inline void put(unsigned short* out, float value) { *out = to_half(value); }
__device__ inline void put(unsigned char* out, float value) { *out = round_to_byte(value); }
__device__ inline void put(bool* out, float value) { *out = value != 0.0f; }

// Row y of the content is row rows[y] of the plane, column x is columns[x]. `stride`: elements from one row of the plane to the next.
template <class In, class Out>
__global__ void place_numbers(const In* plane, int stride, const int* rows, const int* columns, int height, int width,
                              Strides strides, int height_out, int width_out, Out* out) {
    const Here here = locate(height_out, width_out);
    if (here.outside) return;
    const int y = rows[min(here.y, height - 1)], x = columns[min(here.x, width - 1)];
    put(out + here.y * strides.row + here.x * strides.pixel, plane[static_cast<size_t>(y) * stride + x]);
}

// A pixel is in the hole if one of rows first_y to last_y and columns first_x to last_x is.
template <class Out>
__global__ void place_hole(const unsigned char* mask, int stride, const int* first_y, const int* last_y, const int* first_x,
                           const int* last_x, int height, int width, float elsewhere, float hole, Strides strides, int height_out,
                           int width_out, Out* out) {
    const Here here = locate(height_out, width_out);
    if (here.outside) return;
    const int row = min(here.y, height - 1), column = min(here.x, width - 1);
    bool any = false;
    for (int y = first_y[row]; y <= last_y[row]; ++y)
        for (int x = first_x[column]; x <= last_x[column]; ++x) any = any || mask[static_cast<size_t>(y) * stride + x] != 0;
    put(out + here.y * strides.row + here.x * strides.pixel, any ? hole : elsewhere);
}
