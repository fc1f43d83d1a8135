// A CUDA source as a library for the CPU: launches as cuLaunchKernel takes them, an array of addresses of the arguments.
#pragma once
#include "cuda.h"

namespace library {

constexpr int MOST_ARGUMENTS = 64;

// For each argument its size in bytes, and for a pointer the alignment of what it points to; 0 for other arguments.
struct Signature {
    int count;
    int sizes[MOST_ARGUMENTS], alignments[MOST_ARGUMENTS];
};

template <class T>
constexpr int alignment() {
    if constexpr (!std::is_pointer_v<T>) {
        return 0;
    } else if constexpr (std::is_void_v<std::remove_pointer_t<T>>) {
        return 1;
    } else {
        return alignof(std::remove_pointer_t<T>);
    }
}

template <class... Arguments>
void describe(void (*)(Arguments...), Signature* out) {
    static_assert(sizeof...(Arguments) <= MOST_ARGUMENTS);
    out->count = sizeof...(Arguments);
    int index = 0;
    ((out->sizes[index] = sizeof(Arguments), out->alignments[index++] = alignment<Arguments>()), ...);
}

template <class... Arguments, size_t... index>
std::tuple<Arguments...> gathered(void** addresses, std::index_sequence<index...>) {
    return {*static_cast<std::remove_const_t<Arguments>*>(addresses[index])...};
}

template <class... Arguments>
void run(void (*kernel)(Arguments...), dim3 grid, dim3 block, void** addresses) {
    shim::run_grid(kernel, grid, block, gathered<Arguments...>(addresses, std::index_sequence_for<Arguments...>{}));
}

struct Instance {
    void (*run)(dim3, dim3, void**);
    void (*describe)(Signature*);
};

}  // namespace library
