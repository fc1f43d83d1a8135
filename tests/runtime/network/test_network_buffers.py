"""The memory of a network: asking for a size keeps no buffers, which only calls need."""

import gc
import tracemalloc

import tiny_models

from rotoscope.base.times import StageTimes
from rotoscope.runtime.engines.fake import FakeEngine
from rotoscope.runtime.models.model_file import open_model
from rotoscope.runtime.network.network import Network

SIDE = 512  # the inputs of a picture of this size take 3 MB


def test_asking_for_a_size_keeps_no_buffers(tmp_path):
    model = open_model(tiny_models.identity(tmp_path / "net.onnx"))
    network = Network(model, FakeEngine(model.manifest), times=StageTimes())
    network.output_size((16, 16))  # what is loaded at first use
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        assert network.output_size((SIDE, SIDE)) == (SIDE, SIDE) and network.scale((SIDE, SIDE)) == 1
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 100_000
