"""Compare-exchange networks for the median: a fixed list of pairs (low, high) that sorts all pixels of a run at once.

Source: Batcher's odd-even merge sort (Batcher 1968) for K inputs, without the exchanges that cannot change a wanted output.

How it is fast: a network has no branches, unlike a selection per pixel, so exchanges work on whole vectors; `median8` keeps
its values in registers from the first load to the last store. At 1280x720 a median of 7 pictures takes 12.1 ms, a mean of the
same pictures 11.8 ms (docs/kernels.md): the sorting is nearly free beside the warps.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotoscope.kernels.compile import cpu_intrinsic

MAX_INPUTS = 15


@functools.cache
def sorting_network(inputs: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs (low, high) whose exchanges, in this order, sort the inputs in ascending order."""
    pairs = []
    span = 1
    while span < inputs:
        step = span
        while step >= 1:
            for start in range(step % span, inputs - step, 2 * step):
                for low in range(start, min(start + step, inputs - step)):
                    if low // (2 * span) == (low + step) // (2 * span):
                        pairs.append((low, low + step))
            step //= 2
        span *= 2
    return tuple(pairs)


@functools.cache
def median_network(inputs: int) -> NDArray[np.int64]:
    """Return int64 (N,2): the exchanges that place the middle values, outputs (inputs-1)//2 and inputs//2."""
    wanted = {(inputs - 1) // 2, inputs // 2}
    kept = []
    for low, high in reversed(sorting_network(inputs)):
        if low in wanted or high in wanted:
            kept.append((low, high))
            wanted |= {low, high}
    return np.array(kept[::-1], np.int64).reshape(-1, 2)


@functools.cache
def full_network(inputs: int) -> NDArray[np.int64]:
    """Return int64 (N,2): the exchanges that sort all inputs."""
    return np.array(sorting_network(inputs), np.int64).reshape(-1, 2)


@cpu_intrinsic
def median8(_typing: Any, lines: Any, _count: Any, _start: Any, out: Any) -> Any:
    """Write to out[start:start+8] the medians of lines[:count, start:start+8]; lines is float32 (K,n), out float32 (n,).

    count goes from 2 to MAX_INPUTS; each has its own unrolled network, chosen by a switch. Bounds are not checked.
    """
    from numba.core import types

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from llvmlite import ir

        source = context.make_array(signature.args[0])(context, builder, args[0])
        target = context.make_array(signature.args[3])(context, builder, args[3])
        floats = ir.VectorType(ir.FloatType(), 8)
        width, start = builder.extract_value(source.shape, 1), args[2]

        def at(data: Any, index: Any) -> Any:
            return builder.bitcast(builder.gep(data, [index]), floats.as_pointer())

        done = builder.append_basic_block("median8.done")
        switch = builder.switch(args[1], done)
        for inputs in range(2, MAX_INPUTS + 1):
            case = builder.append_basic_block(f"median8.{inputs}")
            switch.add_case(ir.Constant(args[1].type, inputs), case)
            builder.position_at_end(case)
            offsets = [builder.add(start, builder.mul(width, ir.Constant(width.type, k))) for k in range(inputs)]
            values = [builder.load(at(source.data, offset), align=4) for offset in offsets]
            for low, high in median_network(inputs):
                a, b = values[low], values[high]
                less = builder.fcmp_ordered("<", a, b)
                values[low], values[high] = builder.select(less, a, b), builder.select(less, b, a)
            median = values[inputs // 2]
            if inputs % 2 == 0:
                both = builder.fadd(values[inputs // 2 - 1], median)
                median = builder.fmul(both, ir.Constant(floats, [0.5] * 8))
            builder.store(median, at(target.data, start), align=4)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(lines, types.intp, types.intp, out), generate
