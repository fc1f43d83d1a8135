// Runs CUDA kernels on the CPU: a server that reads a launch from standard input, runs the grid thread by thread and writes every
// buffer back. Buffers are allocated to the exact byte, so that the address sanitizer sees one element too far.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "cuda.h"

namespace shim {

inline void read_bytes(void* target, size_t size) {
    if (size && std::fread(target, 1, size, stdin) != size) std::exit(3);
}

template <class T>
T read() {
    T value;
    read_bytes(&value, sizeof(T));
    return value;
}

struct Buffer { uint64_t size; void* memory; };
inline std::map<uint64_t, Buffer> buffers;  // by the address that they have in the calling process

template <class T, class = void>
constexpr bool holds_pointers = false;
template <class T>
constexpr bool holds_pointers<T, std::void_t<decltype(T::at)>> = true;

template <class T>
void translate(T& value) {
    if constexpr (std::is_pointer_v<T>) {
        uint64_t address;
        std::memcpy(&address, &value, 8);
        value = address ? static_cast<T>(buffers.at(address).memory) : nullptr;
    } else if constexpr (holds_pointers<T>) {
        for (auto& pointer : value.at) translate(pointer);
    }
}

template <class T>
T argument() {
    T value = read<T>();
    translate(value);
    return value;
}

template <class... Arguments>
void launch(void (*kernel)(Arguments...), dim3 grid, dim3 block) {
    run_grid(kernel, grid, block, std::tuple<Arguments...>{argument<Arguments>()...});
}

// Standard input: index of the kernel, grid, block, number of buffers, (address, size, bytes) of each, arguments.
template <class Table>
int serve(const Table& table) {
    const int kernel = read<int>();
    const dim3 grid = read<dim3>(), block = read<dim3>();
    std::vector<uint64_t> order(read<int>());
    for (auto& address : order) {
        address = read<uint64_t>();
        const uint64_t size = read<uint64_t>();
        buffers[address] = {size, std::malloc(size)};
        read_bytes(buffers[address].memory, size);
    }
    table[kernel](grid, block);
    for (const auto address : order) {
        std::fwrite(buffers[address].memory, 1, buffers[address].size, stdout);
        std::free(buffers[address].memory);
    }
    return 0;
}

}  // namespace shim
