"""`make test` exports some of the networks; the others, which `make test-full` exports, have no operator beyond theirs."""

from catalogue import CASES, EXPORTED, build, named
from torch.utils._python_dispatch import TorchDispatchMode

from rotoscope.export.graph import as_graph
from rotoscope.export.onnx import golden_inputs, least_side, run
from rotoscope.export.options import ExportOptions
from rotoscope.networks import from_state_dict

# These are exported by the full suite only, because their exports take minutes.
SLOW = ("Super SloMo", "PWC-Net", "VINet", "contextual attention")
ONE_NODE = {"rsqrt", "square", "softmax"}  # of DualGAN's norm and the predictor of label maps; each is one node of ONNX


class Operators(TorchDispatchMode):
    """Records the names of all operators that are called."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


def operators(case):
    graph = as_graph(from_state_dict(build(case).state_dict(), **case.hints), ExportOptions(name=str(case)))
    side = least_side(graph)
    with Operators() as recorded:
        run(graph, *golden_inputs(graph.manifest, seed=0, height=side, width=side))
    return recorded.names


def test_what_only_the_full_suite_exports_has_no_further_operators():
    known = ONE_NODE.union(*(operators(named(name)) for name in EXPORTED))
    others = [case for case in CASES if case.traced and str(case) not in (*EXPORTED, *SLOW)]
    further = {str(case): operators(case) - known for case in others}
    assert not any(further.values()), {name: found for name, found in further.items() if found}
