"""What the host asked of the device."""

from dataclasses import astuple, dataclass, replace


@dataclass
class Counters:
    """Counts since the device was reset; `after - before` gives what lies between two copies.

    waits              calls in which the host waited for the device: synchronize, `.get()`, copies into pageable memory
    old_event_waits    those of `waits` that leave the device busy: the event had passed, or later work was in a queue
    launches           kernels, and copies that are kernels (other strides or dtypes)
    uploads, downloads, device_copies  copies to the device, to the host and on the device; their bytes beside them
    pageable_copies    those of `uploads` and `downloads` whose host memory is not pinned
    fills              memory that was set to a value
    pool_hits          allocations that took memory from the pool of the current stream
    pool_misses        allocations that needed cudaMalloc
    pinned_hits, pinned_misses  the same for pinned host memory
    captures, graph_launches    graphs that were captured, and run
    network_calls      runs of ONNX Runtime and TensorRT on this device
    surfaces           decoder surfaces that were allocated
    """

    waits: int = 0
    old_event_waits: int = 0
    launches: int = 0
    uploads: int = 0
    uploaded_bytes: int = 0
    downloads: int = 0
    downloaded_bytes: int = 0
    device_copies: int = 0
    device_copied_bytes: int = 0
    pageable_copies: int = 0
    fills: int = 0
    pool_hits: int = 0
    pool_misses: int = 0
    pinned_hits: int = 0
    pinned_misses: int = 0
    captures: int = 0
    graph_launches: int = 0
    network_calls: int = 0
    surfaces: int = 0

    @property
    def stalls(self) -> int:
        """Waits after which the device has nothing to do: what a pipeline in steady state must not have."""
        return self.waits - self.old_event_waits

    @property
    def allocations(self) -> int:
        """Allocations that a driver would be asked for: what a pipeline in steady state must not have."""
        return self.pool_misses + self.pinned_misses + self.surfaces

    def copy(self) -> "Counters":
        """Return the counts as they are now."""
        return replace(self)

    def __sub__(self, before: "Counters") -> "Counters":
        return Counters(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))
