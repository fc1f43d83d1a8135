// Compose flows: see compose_flow.py. One thread per vector.
#include "sampling.cuh"

template <class Flow>
__global__ void compose_flow(const Flow* flow_ab, const Flow* flow_bc, int height, int width, float2* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    const float2 first = load_flow(flow_ab, here.index);
    const float2 onward = sample_flow(flow_bc, aim(first, here.x, here.y, height, width), height, width);
    out[here.index] = make_float2(first.x + onward.x, first.y + onward.y);
}
