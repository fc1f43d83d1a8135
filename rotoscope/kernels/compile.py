"""Compile CPU kernels with Numba at their first call.

Importing Numba takes 0.3 s and compiling a kernel about 1 s, so neither happens at import time. Compiled code is kept in the
user's cache folder, in a subfolder named by a digest of the kernel sources: after an upgrade, old code is not used. If a
compilation takes longer than a second, one line is logged.
"""

import functools
import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar

from rotoscope.base import cache

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("rotoscope")

_lock = threading.RLock()  # guards Numba's global cache folder, which is changed while a kernel is declared

ANNOUNCE_AFTER_SECONDS = 1.0


class CpuKernel(Generic[P, R]):
    """A function of scalar loops that is compiled to machine code at its first call.

    The compiled function releases the GIL, does not check bounds, and divides by zero as NumPy does. It can call other
    `CpuKernel`s and `CpuIntrinsic`s that are globals of its module.
    """

    def __init__(self, function: Callable[P, R], *, any_order: bool = False) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.any_order = any_order
        self._dispatcher: Any = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the kernel; the first call for each set of argument types compiles it.

        Raises OutputFailed or UsageError if the compiled code cannot be kept: kernels themselves touch no file.
        """
        try:
            result: R = (self._dispatcher or self.compiled())(*args, **kwargs)
        except OSError as error:
            raise cache.cache_failed(cache_folder(), error) from error
        return result

    def compiled(self) -> Any:
        """Return the Numba dispatcher of this kernel; it compiles at its first call for each set of argument types."""
        with _lock:
            self._dispatcher = self._dispatcher or self._declared()
        return self._dispatcher

    def _declared(self) -> Any:
        import numba

        listen_for_compilation()
        function = self.function
        assert isinstance(function, FunctionType)
        # Numba resolves globals when it compiles: give it the dispatchers instead of our CpuKernel objects.
        scope = dict(function.__globals__)
        for name in function.__code__.co_names:
            if isinstance(scope.get(name), CpuKernel | CpuIntrinsic):
                scope[name] = scope[name].compiled()
        plain = FunctionType(function.__code__, scope, function.__name__, function.__defaults__)
        plain.__qualname__, plain.__module__ = function.__qualname__, function.__module__
        # Numba reads the cache folder when the decorator runs; restore it for other users of Numba in this process.
        config: Any = numba.config
        previous = config.CACHE_DIR
        config.CACHE_DIR = str(cache_folder())
        try:
            order = {"reassoc", "nsz"} if self.any_order else False
            return numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=order)(plain)
        finally:
            config.CACHE_DIR = previous


def cpu_kernel(function: Callable[P, R]) -> CpuKernel[P, R]:
    """Decorator: compile this function with Numba when it is first called."""
    return CpuKernel(function)


def cpu_kernel_with_any_order(function: Callable[P, R]) -> CpuKernel[P, R]:
    """Decorator like `cpu_kernel`; sums may be taken in any order, so that loops that add up values are vectorised.

    The order is fixed when the kernel is compiled: the same machine gives the same result at every call.
    """
    return CpuKernel(function, any_order=True)


class CpuIntrinsic:
    """An operation written as LLVM instructions, which only CPU kernels can call.

    The function takes Numba's typing context and the argument types, and returns the signature and a code generator.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *_args: Any) -> Any:
        """Raise TypeError: there is no Python version."""
        raise TypeError(f"{self.function.__name__} exists only inside compiled kernels")

    @functools.cache  # noqa: B019  # instances live as long as their module
    def compiled(self) -> Any:
        """Return the Numba intrinsic that kernels call."""
        import numba.extending

        return numba.extending.intrinsic(self.function)


def cpu_intrinsic(function: Callable[..., Any]) -> CpuIntrinsic:
    """Decorator: make a `CpuIntrinsic`; it is registered with Numba when a kernel that uses it is compiled."""
    return CpuIntrinsic(function)


@functools.cache
def cache_folder() -> Path:
    """Return the folder of kernels compiled from the present sources, in use until this process ends; make it if missing.

    It is private to the user, because what is in it is run. When it is new, folders of other sources that no process uses are
    deleted, down to the limit of the cache. Raises UsageError or OutputFailed if it cannot be made.
    """
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    name = digest.hexdigest()[:12]
    if not cache.use(cache.cache_folder("kernels") / name):
        cache.trim("kernels")
    return cache.cache_folder("kernels", name)


@functools.cache
def listen_for_compilation() -> None:
    """Log one line when Numba has been compiling for longer than `ANNOUNCE_AFTER_SECONDS`."""
    from numba.core import event

    timers: list[threading.Timer] = []

    @functools.cache  # log it once per process
    def announce() -> None:
        log.info("compiling kernels for this machine; done once, then kept in %s", cache_folder())

    class Listener(event.Listener):
        def on_start(self, _event: Any) -> None:
            """Start the timer of the log line."""
            timer = threading.Timer(ANNOUNCE_AFTER_SECONDS, announce)
            timer.daemon = True
            timers.append(timer)
            timer.start()

        def on_end(self, _event: Any) -> None:
            """Cancel the timer."""
            timers.pop().cancel()

    register: Any = event.register
    register("numba:compile", Listener())
