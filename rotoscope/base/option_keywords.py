"""The fields of the option values as typed keywords of Python functions: `translate(path, strength=0.5)`."""

from typing import Any, Literal, TypedDict

from rotoscope.base.option_checks import Range
from rotoscope.base.options import (
    Alpha,
    AudioMode,
    Decode,
    Fit,
    Hdr,
    Policy,
    Pool,
    Precision,
    Quality,
    SteadyMethod,
)


class SourceKeywords(TypedDict, total=False):
    """`SourceOptions` as keywords."""

    start: float | None
    duration: float | None
    rate: float
    mask: str | None
    instances: str | None
    drawings: str | None
    ahead: int
    deinterlace: bool
    decode: Decode


class ModelKeywords(TypedDict, total=False):
    """`ModelOptions` as keywords, except `engine`, which some functions also take as an object."""

    precision: Precision | None
    device: str
    compiled: bool
    style: Any
    like: str | None
    keep_colour: bool
    settings: tuple[str, ...]
    working_size: str | None
    fit: Fit
    tile: str | None
    norm: Literal["shared"] | None
    hints: tuple[str, ...]
    input_range: Range | None
    output_range: Range | None
    channel_order: Literal["rgb", "bgr"] | None
    layout: Literal["nchw", "nhwc"] | None
    multiple: int | None
    op_library: str | None


class SteadyKeywords(TypedDict, total=False):
    """`SteadyOptions` as keywords."""

    steady: SteadyMethod | None
    strength: float
    flow: str
    keyframes: int
    late: int
    interpolator: str
    insert: int
    window: int
    dilation: int
    pool: Pool


class OutputKeywords(TypedDict, total=False):
    """`OutputOptions` as keywords."""

    output_size: str | None
    mix: float
    compare: bool
    codec: str | None
    encoder_options: tuple[str, ...]
    quality: Quality | None
    passes: int
    tag: str | None
    hdr: Hdr | None
    alpha: Alpha
    audio: AudioMode
    overwrite: bool


class LiveOnlyKeywords(TypedDict, total=False):
    """`LiveOptions` as keywords."""

    policy: Policy
    duration: float | None
    give_up_after: float | None
    rtsp_transport: Literal["tcp", "udp"]
    most_carried: int
    host: str
    port: int
    token: str | None
    tls_cert: str | None
    tls_key: str | None
    tls_ca: str | None


class LiveKeywords(ModelKeywords, SteadyKeywords, OutputKeywords, LiveOnlyKeywords, total=False):
    """Options of a live run, except `engine`."""


class StreamKeywords(ModelKeywords, SteadyKeywords, total=False):
    """Options of a translator of streams, except `engine`."""


class TranslateKeywords(SourceKeywords, ModelKeywords, SteadyKeywords, OutputKeywords, total=False):
    """Options of a translation from file to file, except `engine`."""
