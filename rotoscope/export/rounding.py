"""The rounding of a network itself: the network in fp32 beside the network in fp64, both in PyTorch."""

from rotoscope.export.graph import Graph
from rotoscope.export.parity import Form, Pair
from rotoscope.export.torch_engine import TorchEngine


def rounding_pair(graph: Graph, *, threads: int = 1) -> Pair:
    """Return the network in fp32 and in fp64 as a pair, for `measure_rounding`."""
    a, b = (
        Form(f"torch {word}", graph.manifest, TorchEngine(graph, precision=word, threads=threads), word)
        for word in ("fp32", "fp64")
    )
    return Pair(a, b)
