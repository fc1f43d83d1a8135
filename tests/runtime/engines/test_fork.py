"""A process that was forked from one that used an engine: engines of the parent are refused, new ones work."""

import os
import signal

import numpy as np
import pytest

from rotoscope.assembly.engines import make_engine
from rotoscope.base.errors import RotoscopeError
from rotoscope.runtime.models.model_file import open_model

LIMIT_S = 120  # then the child is ended: it hangs
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


def in_child(work):
    """What `work` returns in a forked process, as text; or the text of its RotoscopeError."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # not the handler of pytest's own time limit
        signal.alarm(LIMIT_S)
        try:
            answer = str(work())
        except RotoscopeError as error:
            answer = f"{type(error).__name__}: {error}"
        except BaseException as error:
            answer = f"unexpected {error!r}"
        finally:
            os.write(write, answer.encode())
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(pid, 0)
    assert os.WIFEXITED(status), f"signal {os.WTERMSIG(status)}"
    return said


@pytest.fixture(scope="module")
def network():
    """(model file, graph) of a small network, for each engine."""
    import torch

    from rotoscope.export.graph import as_graph
    from rotoscope.export.options import ExportOptions
    from rotoscope.networks import from_state_dict
    from rotoscope.networks.resnet import ResnetGenerator

    torch.manual_seed(0)
    return as_graph(from_state_dict(ResnetGenerator(width=8, num_blocks=2).state_dict()), ExportOptions(name="net"))


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    from rotoscope.export.onnx import write_onnx

    path = tmp_path_factory.mktemp("models") / "net.onnx"
    write_onnx(network, path)
    return open_model(path)


def called(engine):
    picture = np.random.default_rng(0).random((1, 3, 128, 128), np.float32)
    out = np.zeros((1, 3, 128, 128), np.float32)
    engine.run({"frame": picture}, {}, {"picture": out}, {})
    return float(np.abs(out).sum())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "torch"])
def test_an_engine_of_the_parent_is_refused_in_one_line(name, threads, file, network):
    engine = make_engine(file, engine=name, graph=network, threads=threads)
    called(engine)
    said = in_child(lambda: called(engine))
    assert said.startswith(
        f"RotoscopeError: {name} fp32 cpu was made in another process (id {os.getpid()}), and a forked"
    )
    assert "\n" not in said and called(engine) > 0


@pytest.mark.parametrize(("name", "threads"), [("onnxruntime", 1), ("onnxruntime", 2), ("torch", 1)])
def test_a_new_engine_works_in_a_forked_process(name, threads, file, network):
    def make():
        return make_engine(file, engine=name, graph=network, threads=threads)

    expected = called(make())
    assert in_child(lambda: np.isclose(called(make()), expected, rtol=1e-4)) == "True"


@pytest.mark.parametrize(("name", "said", "accepted"), [
    ("torch", "torch with 2 threads hangs in a forked process", "threads=1"),
    ("openvino", "openvino hangs in a forked process", "onnxruntime"),
])  # fmt: skip
def test_a_new_engine_is_refused_in_a_forked_process_where_it_would_hang(name, said, accepted, file, network):
    def make():
        return make_engine(file, engine=name, graph=network, threads=2)

    called(make())
    answer = in_child(lambda: called(make()))
    assert answer.startswith(f"RotoscopeError: {said}") and accepted in answer and "\n" not in answer
