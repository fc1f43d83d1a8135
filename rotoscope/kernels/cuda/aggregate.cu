// Aggregate: see aggregate.py. One thread per pixel, or per channel of a planar picture, keeps its K samples in registers. The
// exchanges of the median are unrolled from a network that is built at compile time for each K.
#include "sampling.cuh"

enum Pool { mean, median };
enum Votes { none, masks, weights };

struct Pointers {
    const void* at[14];
};

// Batcher's odd-even merge sort for K inputs: all exchanges, or only those needed for the median (see median_network.py).
template <int K, bool middle_only>
struct Network {
    int low[128] = {}, high[128] = {}, count = 0;

    __host__ __device__ constexpr Network() {
        for (int span = 1; span < K; span *= 2)
            for (int step = span; step >= 1; step /= 2)
                for (int start = step % span; start < K - step; start += 2 * step)
                    for (int i = start; i < start + step && i < K - step; ++i)
                        if (i / (2 * span) == (i + step) / (2 * span)) {
                            low[count] = i;
                            high[count++] = i + step;
                        }
        if (!middle_only) return;
        bool wanted[K] = {};
        wanted[(K - 1) / 2] = true;
        wanted[K / 2] = true;
        int first = 128;  // read backwards; exchanges that are kept move to the end of the arrays
        for (int e = count - 1; e >= 0; --e)
            if (wanted[low[e]] || wanted[high[e]]) {
                const int a = low[e], b = high[e];
                wanted[a] = true;
                wanted[b] = true;
                --first;
                low[first] = a;
                high[first] = b;
            }
        count = 128 - first;
        for (int e = 0; e < count; ++e) {
            low[e] = low[first + e];
            high[e] = high[first + e];
        }
    }
};

template <int K, bool middle_only>
constexpr Network<K, middle_only> network;

template <int K, bool middle_only, int e = 0, class Value>
__device__ void exchange(Value (&values)[K]) {
    if constexpr (e < network<K, middle_only>.count) {
        constexpr int i = network<K, middle_only>.low[e], j = network<K, middle_only>.high[e];
        const Value a = values[i], b = values[j];
        values[i] = lower(a, b);
        values[j] = higher(a, b);
        exchange<K, middle_only, e + 1>(values);
    }
}

template <class Pixel, class Flow, int K, Pool pool, Votes votes, Sampling sampling>
__global__ void aggregate(const Pixel* center, Pointers neighbours, Pointers flows, Pointers valid, int height, int width,
                          Pixel* out) {
    const Here here = locate(height, width);
    if (here.outside) return;
    using Value = decltype(load(center, 0));
    Value values[K];
    values[0] = load(center + here.layer, here.index);
    Value total = values[0];
    float weight_sum = 1.0f;
    int voters = 1;
#pragma unroll
    for (int k = 1; k < K; ++k) {
        const float2 vector = load_flow(static_cast<const Flow*>(flows.at[k - 1]), here.index);
        const Aim at = aim(vector, here.x, here.y, height, width);
        float weight = 1.0f;
        if constexpr (votes == masks)
            weight = at.inside && static_cast<const unsigned char*>(valid.at[k - 1])[here.index] != 0 ? 1.0f : 0.0f;
        if constexpr (votes == weights)
            weight = at.inside ? static_cast<const float*>(valid.at[k - 1])[here.index] : 0.0f;
        const Pixel* picture = static_cast<const Pixel*>(neighbours.at[k - 1]) + here.layer;
        if constexpr (pool == mean) {
            total = add_scaled(total, sample<sampling>(picture, at, height, width), weight);
            weight_sum += weight;
        } else if (votes == none || weight > 0.0f) {
            values[k] = sample<sampling>(picture, at, height, width);
            ++voters;
        } else {
            fill(values[k], INFINITY);  // infinity is sorted to the end, beyond the middle of the neighbours that count
        }
    }
    if constexpr (pool == mean) {
        store(out + here.layer, here.index, scaled(total, 1.0f / weight_sum));
    } else {
        exchange<K, votes == none>(values);
        Value low = values[(K - 1) / 2], high = values[K / 2];
        if constexpr (votes != none) {
#pragma unroll
            for (int k = 0; k < K; ++k) {  // constant indices: an index that varies would move the values out of registers
                if (k == (voters - 1) / 2) low = values[k];
                if (k == voters / 2) high = values[k];
            }
        }
        store(out + here.layer, here.index, add_scaled(scaled(low, 0.5f), high, 0.5f));
    }
}
