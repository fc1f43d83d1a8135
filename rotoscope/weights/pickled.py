"""Read the pickle of a checkpoint as data, in bounded time and memory.

A pickle is a program for a small stack machine. This module runs the instructions that torch.save writes on plain values and
calls nothing: a name becomes a `Name`, a tensor a `View` of a `Storage`, and every other object a `StandIn` that keeps its
items and attributes. So tensors are found whatever stands beside them: dates, paths, arrays, options, whole modules. Limits
hold before a value is built: number of instructions, bits of integers, length of names. Only strings are hashed; the keys of
dictionaries are strings, or integers that become strings, and pairs with other keys are left out.
"""

import io
import math
import pickletools
import re
from dataclasses import dataclass
from typing import Any

from rotoscope.base.errors import ModelRefused
from rotoscope.base.text import shortened

MAX_TENSORS = 20_000
OTHER_INSTRUCTIONS = 200_000  # beside those of tensors: options, epochs, losses; a second of time at most
TENSOR_INSTRUCTIONS = 60  # torch.save writes 32 to 50 for each tensor
MAX_INSTRUCTIONS = OTHER_INSTRUCTIONS + TENSOR_INSTRUCTIONS * MAX_TENSORS
MAX_INTEGER_BYTES = 33  # of a LONG1; the first integer of torch's old format has 9, the state of a random generator 17
MAX_NAME_CHARACTERS = 200  # of a class or function
MAX_KEY_CHARACTERS = 1000
MAX_DIMENSIONS = 8

# Names that a file of weights never needs and an attack does. Nothing is called in any case; such a file is not to be trusted.
HARMFUL = re.compile(
    r"(os|posix|nt|subprocess|sys|shutil|socket|importlib|runpy|pty|commands|ctypes|webbrowser|multiprocessing|asyncio"
    r"|pickle|_pickle|code|codeop|bdb|pdb|timeit|urllib|http|platform|signal|tempfile|antigravity)(\..*)?"
    r"|(builtins|__builtin__)\.(eval|exec|execfile|compile|open|input|breakpoint|__import__|globals|locals|vars)"
)
BYTES_OF = {
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1,
    "Untyped": 1, "ComplexFloat": 8, "ComplexDouble": 16, "QInt8": 1, "QUInt8": 1, "QInt32": 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A class or function that a pickle names, such as torch.FloatStorage."""

    full: str


@dataclass(slots=True, eq=False)
class StandIn:
    """An object that is not made: a date, an array, a namespace of options, a module.

    items       that the pickle puts into it, as into a dictionary
    attributes  that the pickle gives to it
    """

    items: dict[str, Any] | None = None
    attributes: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """Part of a block of numbers that lies elsewhere in the file.

    kind    "Float", "Half" ...: a key of BYTES_OF
    start   first of its numbers in the block
    count   of its numbers
    """

    key: str
    kind: str
    start: int
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A tensor: numbers of a storage; `offset` and `strides` count numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def num_values(self) -> int:
        """Product of the shape."""
        return math.prod(self.shape)


_MARK = StandIn()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING",
    "BINSTRING", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8",
}  # fmt: skip
_PUTS, _GETS = {"BINPUT", "LONG_BINPUT"}, {"BINGET", "LONG_BINGET"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class PickleReader:
    """Runs the pickles in some bytes, one after the other.

    num_bytes  of each storage that a pickle named, by its key: the largest claim
    position   in the bytes, after the last pickle
    """

    def __init__(self, data: bytes, where: str) -> None:
        self._file, self._where = io.BytesIO(data), where
        self.num_bytes: dict[str, int] = {}
        self.num_tensors = 0
        self._instructions = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._names: dict[str, Name] = {}

    @property
    def position(self) -> int:
        """Bytes of all pickles that were read."""
        return self._file.tell()

    def read(self) -> Any:
        """Return the value of the next pickle. Raises ModelRefused for anything that a file of weights does not contain."""
        self._stack, self._memo = [], {}
        try:
            for opcode, argument, _ in pickletools.genops(self._file):
                self._step(opcode.name, argument)
            (value,) = self._stack
        except ModelRefused:
            raise
        except Exception as error:  # a damaged pickle raises whatever its instructions stumble over
            raise self._refused("a damaged checkpoint: download it again") from error
        return value

    def _step(self, name: str, argument: Any) -> None:
        """Run one instruction."""
        self._instructions += 1
        accepted = OTHER_INSTRUCTIONS + TENSOR_INSTRUCTIONS * self.num_tensors
        if self._instructions > accepted:
            raise self._refused(
                f"more than {accepted:,} instructions for {self.num_tensors:,} tensors; save model.state_dict() alone"
            )
        stack = self._stack
        if name in _PUTS:
            if argument > MAX_INSTRUCTIONS:
                raise self._refused("a pickle that torch.save does not write; damaged, or made to harm")
            self._memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in _GETS:
            stack.append(self._memo[argument])
        elif name in _VALUES:
            if isinstance(argument, int) and argument.bit_length() > 8 * MAX_INTEGER_BYTES:
                raise self._refused(f"holds an integer of {argument.bit_length():,} bits; damaged, or made to harm")
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "GLOBAL":
            stack.append(self._name(argument))
        elif name == "STACK_GLOBAL":
            module, word = self._popped(2)
            if type(module) is not str or type(word) is not str:
                raise ValueError("a name that is no text")
            stack.append(self._name(f"{module} {word}"))
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _TUPLES:
            stack.append(tuple(self._popped(_TUPLES[name])))
        elif name == "TUPLE":
            stack.append(tuple(self._popped_to_mark()))
        elif name == "EMPTY_TUPLE":
            stack.append(())
        elif name in ("EMPTY_LIST", "EMPTY_SET"):
            stack.append([])
        elif name == "FROZENSET":
            stack.append(self._popped_to_mark())
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name in ("SETITEM", "SETITEMS"):
            items = self._popped(2) if name == "SETITEM" else self._popped_to_mark()
            self._set(stack[-1], items)
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            items = self._popped(1) if name == "APPEND" else self._popped_to_mark()
            if type(stack[-1]) is list:
                stack[-1].extend(items)
        elif name in ("REDUCE", "NEWOBJ"):
            function, arguments = self._popped(2)
            stack.append(self._called(function, arguments))
        elif name == "NEWOBJ_EX":
            function, arguments, _keywords = self._popped(3)
            stack.append(self._called(function, arguments))
        elif name == "BUILD":
            (state,) = self._popped(1)
            self._build(stack[-1], state)
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self._popped_to_mark()
        elif name == "BINPERSID":
            stack.append(self._storage(*self._popped(1)))
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise self._refused("a pickle that torch.save does not write; damaged, or made to harm")

    def _popped(self, count: int) -> list[Any]:
        """Take values off the stack."""
        values = self._stack[-count:]
        if len(values) < count or any(value is _MARK for value in values):
            raise ValueError("too few values on the stack")
        del self._stack[-count:]
        return values

    def _popped_to_mark(self) -> list[Any]:
        """Take values off the stack, down to the last mark, and the mark."""
        stack = self._stack
        place = len(stack) - 1
        while stack[place] is not _MARK:
            if place == 0:
                raise ValueError("no mark on the stack")
            place -= 1
        values = stack[place + 1 :]
        del stack[place:]
        return values

    def _name(self, argument: str) -> Name:
        """Return a name; raise ModelRefused for one that runs programs or code, or opens files."""
        full = ".".join(argument.split(" ", 1))
        if full not in self._names:
            if len(full) > MAX_NAME_CHARACTERS or HARMFUL.fullmatch(full):
                raise self._refused(
                    f"needs {shortened(full)}, so reading it would run code; refused. Where you trust it, open it with the "
                    "code it came from and save model.state_dict() alone"
                )
            self._names[full] = Name(full)
        return self._names[full]

    def _set(self, target: Any, items: list[Any]) -> None:
        """Put keys and values into a dictionary or a stand-in; other targets ignore them."""
        if len(items) % 2:
            raise ValueError("a key without a value")
        if type(target) is StandIn:
            target.items = target.items or {}
            target = target.items
        if type(target) is not dict:
            return
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int):
                continue  # never hashed: a tuple may be deep or very large
            name = str(key)
            if len(name) > MAX_KEY_CHARACTERS:
                raise self._refused(f"a key of {len(name):,} characters, {shortened(name)}; no network has such")
            target[name] = value

    def _build(self, target: Any, state: Any) -> None:
        """Keep the attributes of a stand-in: a dictionary, or a pair of which one is (attributes, slots)."""
        parts = state if type(state) is tuple and len(state) == 2 else (state,)
        found = next((part for part in parts if type(part) is dict), None)
        if type(target) is StandIn and target is not _MARK and found is not None:
            target.attributes = found

    def _called(self, function: Any, arguments: Any) -> Any:
        """Return the value that stands for a call."""
        if type(function) not in (Name, StandIn) or function is _MARK or type(arguments) is not tuple:
            raise ValueError("a call of something that is no name")
        name = function.full if type(function) is Name else ""
        module, _, word = name.rpartition(".")
        if module.startswith("torch") and word in ("_rebuild_tensor", "_rebuild_tensor_v2"):
            return self._view(*arguments[:4])
        if module.startswith("torch") and word == "_rebuild_from_type_v2":  # a parameter or tensor with attributes
            return self._called(arguments[0], arguments[2])
        if word in ("_rebuild_parameter", "_rebuild_parameter_with_state", "Parameter", "Size") and arguments:
            return arguments[0]
        if module in ("builtins", "__builtin__") and word in ("set", "frozenset") and arguments:
            return arguments[0] if type(arguments[0]) is list else []
        if module == "collections" and word in ("OrderedDict", "defaultdict", "Counter"):
            made: dict[str, Any] = {}
            pairs = (
                arguments[0] if arguments and type(arguments[0]) is list else []
            )  # as Python 2 writes an OrderedDict
            self._set(made, [item for key, value in pairs for item in (key, value)])
            return made
        return StandIn()

    def _storage(self, saved: Any) -> Storage | Name:
        """Return a storage, and keep the number of bytes that it claims; or the class of a module with its source text."""
        if type(saved) is tuple and len(saved) == 4 and saved[0] == "module" and type(saved[1]) is Name:
            return saved[1]
        kind, storage_type, key, _location, count, *view = saved
        name = storage_type.full.rpartition(".")[2].removesuffix("Storage")
        if (
            kind != "storage"
            or type(key) not in (str, int)
            or not _is_count(count)
            or len(str(key)) > MAX_NAME_CHARACTERS
        ):
            raise ValueError("not a storage")
        key = str(key)
        self.num_bytes[key] = max(count * BYTES_OF[name], self.num_bytes.get(key, 0))
        if not view or view[0] is None:
            return Storage(key, name, 0, count)
        _view_key, start, length = view[0]  # torch before 0.4
        if not (_is_count(start) and _is_count(length) and start + length <= count):
            raise ValueError("a part outside its storage")
        return Storage(key, name, start, length)

    def _view(self, storage: Any, offset: Any, shape: Any, strides: Any) -> View:
        """Return a tensor whose numbers are all in its storage, none of them more than once by its size."""
        numbers = (offset, *shape, *strides)
        if type(storage) is not Storage or len(shape) != len(strides) or not all(map(_is_count, numbers)):
            raise ValueError("not a tensor")
        if len(shape) > MAX_DIMENSIONS:
            raise self._refused(f"a tensor of {len(shape):,} dimensions; at most {MAX_DIMENSIONS} are accepted")
        view = View(storage, offset, tuple(shape), tuple(strides))
        last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
        if view.num_values > storage.count or (view.num_values and last >= storage.count):
            raise self._refused(
                f"a tensor {view.shape} on {storage.count:,} values; damaged, or made to fill the memory"
            )
        self.num_tensors += 1
        if self.num_tensors > MAX_TENSORS:
            raise self._refused(f"more than {MAX_TENSORS:,} tensors, and no network here has as many")
        return view

    def _refused(self, reason: str) -> ModelRefused:
        return ModelRefused(f"{self._where}: {reason}")


def _is_count(value: Any) -> bool:
    """Whether a value is an integer from 0 to 2^63 - 1."""
    return type(value) is int and 0 <= value < 1 << 63
