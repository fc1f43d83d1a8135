"""Captured work. A replay uses the addresses and the arguments of the capture, whatever they hold by then."""

from typing import TYPE_CHECKING

from simulated_gpu.gpu import Item, gpu

if TYPE_CHECKING:
    from simulated_gpu.streams import Stream


class Graph:
    """What one stream was given during a capture."""

    def __init__(self, items: list[Item]) -> None:
        self.nodes = [item.what for item in items]
        self._items = items

    def launch(self, stream: "Stream | None" = None) -> None:
        """Enqueue all nodes in their order, on the current stream if none is given."""
        from simulated_gpu.streams import get_current_stream

        queue = (stream or get_current_stream()).queue
        gpu.counters.graph_launches += 1
        for item in self._items:
            assert item.action is not None
            gpu.submit(queue, item.what, item.action)

    def upload(self, stream: "Stream | None" = None) -> None:
        """Prepare the first launch; nothing to do here."""
