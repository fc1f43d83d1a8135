"""Open a form of a network, such as "net.onnx@openvino:bf16", as a whole run with motion and steadying."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rotoscope.assembly.engines import device_of
from rotoscope.assembly.forms import form_options
from rotoscope.assembly.model import Model
from rotoscope.assembly.pair_networks import flow_source, interpolator
from rotoscope.base.options import SteadyOptions
from rotoscope.export.parity import COARSENESS
from rotoscope.kernels.rows import Workers
from rotoscope.runtime.pipeline.stages import Stages
from rotoscope.scenarios.run_parity import RunForm


def open_run_form(
    spec: str, *, hints: Sequence[str], threads: int, working_size: str | None, steady: SteadyOptions
) -> RunForm:
    """Open FILE, or FILE@WORD:WORD... with an engine, a precision, a device and "compiled" in any order.

    On a GPU pictures stay there from the first stage to the last, as in `translate`.
    """
    file, _, text = spec.rpartition("@") if "@" in spec else (spec, "", "")
    options = replace(form_options(Path(file), text.split(":"), hints), working_size=working_size)
    model = Model.open(file, options)
    device = device_of(options)

    def open_stages() -> Stages:
        return Stages(
            [model], steady, workers=Workers(threads), in_flight=1, flow=flow_source(steady, threads, device),
            interpolator=interpolator(steady, threads, device), gpu_slots=0,
        )  # fmt: skip

    label = Path(file).name + (f" on {text.replace(':', ' ')}" if text else "")
    precision = max(options.precision or "fp32", model.file.precision, key=COARSENESS.index)
    return RunForm(label, precision, open_stages)
