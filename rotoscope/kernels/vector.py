"""LLVM instructions for CPU kernels: values of four floats, half floats, arrays given by their address.

Why: a warp loads whole pixels from scattered places. As one vector of four floats a pixel is one load; a loop over channels
in Numba makes four, because its vectoriser does not join scattered loads. Four floats fit one register on every CPU that Numba
supports (SSE, AVX, NEON). The median of 7 pictures of 1280x720 takes 12.1 ms on interleaved float32 (four channels, with these
vectors) and 22.7 ms on planar float32 (three channels, without them); see docs/kernels.md.
A value of four floats exists inside one kernel only: it can be neither argument nor result of a kernel.
"""

import functools
from typing import Any

from rotoscope.kernels.compile import cpu_intrinsic


@cpu_intrinsic
def load4(_typing: Any, array: Any, index: Any) -> Any:
    """Load elements index to index + 3 of a 1-D array (float32 or uint8) as four floats; bounds are not checked."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        ir = _llvm()
        data = _element_pointer(context, builder, signature.args[0], args[0], args[1])
        if array.dtype.bitwidth == 32:
            return builder.load(builder.bitcast(data, _llvm_float4().as_pointer()), align=4)
        octets = builder.load(builder.bitcast(data, ir.VectorType(ir.IntType(8), 4).as_pointer()), align=1)
        return builder.uitofp(octets, _llvm_float4())

    return _float4()(array, index), generate


@cpu_intrinsic
def store4(_typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Store four floats at index to index + 3 of a 1-D float32 array; bounds are not checked."""
    from numba.core import types

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _element_pointer(context, builder, signature.args[0], args[0], args[1])
        builder.store(args[2], builder.bitcast(data, _llvm_float4().as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, index, value), generate


@cpu_intrinsic
def stream4(_typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Store like `store4`, but without using the caches; the address must be a multiple of 16.

    An ordinary store first reads the cache line that it overwrites: one third of the memory traffic of copying a picture that
    is larger than the caches. Taking a lock makes these stores visible to other threads, as it does for ordinary ones.
    """
    from numba.core import types

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        ir = _llvm()
        data = _element_pointer(context, builder, signature.args[0], args[0], args[1])
        store = builder.store(args[2], builder.bitcast(data, _llvm_float4().as_pointer()), align=16)
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.void(array, index, value), generate


@cpu_intrinsic
def fetch_ahead(_typing: Any, array: Any, index: Any) -> Any:
    """Prefetch the cache line of element `index`; an index outside the array is harmless."""
    from numba.core import cgutils, types

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        ir = _llvm()
        number = ir.IntType(32)
        data = _element_pointer(context, builder, signature.args[0], args[0], args[1])
        pointer = builder.bitcast(data, ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        declare: Any = cgutils.get_or_insert_function
        hint = declare(builder.module, kind, "llvm.prefetch.p0")
        builder.call(hint, [pointer, number(0), number(2), number(1)])  # for reading, into the second-level cache, data
        return context.get_dummy_value()

    return types.void(array, index), generate


@cpu_intrinsic
def splat4(_typing: Any, _value: Any) -> Any:
    """Return four floats that all equal one float32."""
    from numba.core import types

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _splat(builder, args[0])

    return _float4()(types.float32), generate


@cpu_intrinsic
def scaled4(_typing: Any, value: Any, _factor: Any) -> Any:
    """Return four floats times one float32."""
    from numba.core import types

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.fmul(args[0], _splat(builder, args[1]))

    return value(value, types.float32), generate


@cpu_intrinsic
def add_scaled4(_typing: Any, total: Any, value: Any, _factor: Any) -> Any:
    """Return total + value * factor for four floats and one float32 factor; a fused multiply-add if the CPU has one."""
    from numba.core import types

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        product = builder.fmul(args[1], _splat(builder, args[2]), flags=("contract",))
        return builder.fadd(args[0], product, flags=("contract",))

    return total(total, value, types.float32), generate


@cpu_intrinsic
def lower4(_typing: Any, first: Any, second: Any) -> Any:
    """Return the smaller of each pair of floats; the second if either is NaN."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return first(first, second), generate


@cpu_intrinsic
def higher4(_typing: Any, first: Any, second: Any) -> Any:
    """Return the larger of each pair of floats; the second if either is NaN."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return first(first, second), generate


@cpu_intrinsic
def as_float(_typing: Any, value: Any) -> Any:
    """Convert to float32: a float32 is unchanged, a uint8 is a number, a uint16 is the bits of a half float.

    Numba has no half floats on CPUs, hence the bits.
    """
    from numba.core import types

    def generate(_context: Any, builder: Any, signature: Any, args: Any) -> Any:
        ir = _llvm()
        if signature.args[0] == types.float32:
            return args[0]
        if signature.args[0] == types.uint8:
            return builder.uitofp(args[0], ir.FloatType())
        return builder.fpext(builder.bitcast(args[0], ir.HalfType()), ir.FloatType())

    return types.float32(value), generate


@cpu_intrinsic
def as_stored(_typing: Any, _value: Any, array: Any) -> Any:
    """Convert a float32 to the element type of `array`: float32, or uint16 for the bits of the nearest half float."""
    from numba.core import types

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        ir = _llvm()
        if array.dtype == types.float32:
            return args[0]
        return builder.bitcast(builder.fptrunc(args[0], ir.HalfType()), ir.IntType(16))

    return array.dtype(types.float32, array), generate


@cpu_intrinsic
def array_at(_typing: Any, _address: Any, like: Any, _size: Any) -> Any:
    """Return the 1-D array of `size` elements at an address, with the dtype of `like`; the caller keeps its memory alive.

    Kernels over a varying number of pictures take addresses, because Numba would compile a tuple of arrays once per length.
    """
    from numba.core import types

    flat = types.Array(like.dtype, 1, "C")

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        from numba.np import arrayobj

        array = context.make_array(flat)(context, builder)
        element = context.get_data_type(flat.dtype)
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(element))
        data = builder.inttoptr(args[0], element.as_pointer())
        populate: Any = arrayobj.populate_array
        populate(array, data=data, shape=[args[2]], strides=[itemsize], itemsize=itemsize, meminfo=None)
        return array._getvalue()  # Numba's structure proxies have no public name for this

    return flat(types.uintp, like, types.intp), generate


@functools.cache
def _float4() -> Any:
    """Return the Numba type of a value of four floats."""
    from numba.core import types
    from numba.extending import models, register_model

    class Float4(types.Type):
        def __init__(self) -> None:
            super().__init__(name="rotoscope.Float4")

    class Float4Model(models.PrimitiveModel):
        def __init__(self, manager: Any, fe_type: Any) -> None:
            super().__init__(manager, fe_type, _llvm_float4())

    register_model(Float4)(Float4Model)
    return Float4()


def _llvm() -> Any:
    from llvmlite import ir

    return ir


def _llvm_float4() -> Any:
    ir = _llvm()
    return ir.VectorType(ir.FloatType(), 4)


def _splat(builder: Any, scalar: Any) -> Any:
    ir = _llvm()
    undefined = ir.Constant(_llvm_float4(), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), 4), [0] * 4))


def _element_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])
