"""TF32: whether NVIDIA's libraries may round the inputs of fp32 products to 10 bits of mantissa in this process.

Since the Ampere generation cuDNN, cuBLAS and TensorRT compute fp32 in TF32 unless they are told not to. Each engine tells its
library; the convolutions of ONNX Runtime and its TensorRT provider obey only the environment, which NVIDIA's libraries read
once for a process. So one process computes all its fp32 networks either in fp32 or in TF32.
"""

import os

from rotoscope.base.errors import UsageError

_VARIABLE = "NVIDIA_TF32_OVERRIDE"
_chosen: list[bool] = []  # the choice of this process, once made


def choose_tf32(allowed: bool) -> None:
    """Choose for this process, before a CUDA library is loaded; raise UsageError if the other choice was made before."""
    if not _chosen:
        _chosen.append(allowed)
        if allowed:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = "0"
    if _chosen[0] != allowed:
        words = "tf32", "fp32"
        given, earlier = words if allowed else words[::-1]
        raise UsageError(
            f"--precision {given}: this process computes in {earlier} on its GPU already, and NVIDIA's libraries allow one of "
            "both; start another process"
        )
