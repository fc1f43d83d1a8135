// Warp: see warp.py. One thread per pixel, or per channel of a planar picture.
#include "sampling.cuh"

template <class Pixel, class Flow, Sampling sampling>
__global__ void warp(const Pixel* picture, const Flow* flow, int height, int width, unsigned char* inside, Pixel* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const Aim at = aim(load_flow(flow, here.index), here.x, here.y, height, width);
    store(out + here.layer, here.index, sample<sampling>(picture + here.layer, at, height, width));
    if (inside != nullptr && here.first_layer) inside[here.index] = at.inside;
}
