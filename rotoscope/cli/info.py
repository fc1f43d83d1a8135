"""rotoscope info: print what a video, a picture, a model file or a checkpoint is."""

from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from rotoscope.base.option_checks import Range
from rotoscope.base.text import json_text, printable
from rotoscope.cli.lines import report_lines
from rotoscope.cli.options import RANGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotoscope.base.frame import VideoInfo
    from rotoscope.base.manifest import FrameInput, FrameOutput
    from rotoscope.runtime.models.model_file import ModelFile


def info(
    file: str,
    /,
    *,
    write: Path | None = None,
    json: bool = False,
    input_range: Annotated[Range | None, RANGE] = None,
    output_range: Annotated[Range | None, RANGE] = None,
    channel_order: Literal["rgb", "bgr"] | None = None,
    multiple: int | None = None,
    hint: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
) -> int:
    """Show what a video, picture, model or checkpoint is.

    Parameters
    ----------
    file
        A video, a picture, an .onnx file, a checkpoint or the name of a bundled look.
    write
        Write a copy of the model with its manifest inside: what was inferred, with the overrides given here.
    json
        Print JSON.
    input_range
        Override: input values of black and white, such as 0,255.
    output_range
        Override: output values of black and white.
    channel_order
        Override: order of the colour channels.
    multiple
        Override: sides are padded to a multiple of this.
    hint
        KEY=VALUE that an ambiguous checkpoint needs, for example direction=BtoA (repeat it).

    """
    import rotoscope
    from rotoscope.runtime.models.model_file import ModelFile

    found = rotoscope.info(
        file, write=write, input_range=input_range, output_range=output_range, channel_order=channel_order,
        multiple=multiple, hints=hint,
    )  # fmt: skip
    if isinstance(found, ModelFile):
        _print(_model_json(found) if json else _model_rows(found), as_json=json)
    else:
        _print(_video_json(found.info, found.notes) if json else _video_rows(found.info, found.notes), as_json=json)
    if write is not None:
        report_lines(f"written: {write}")
    return 0


def _print(content: Any, *, as_json: bool) -> None:
    if as_json:
        print(json_text(content))
        return
    width = max(len(name) for name, _ in content)
    for name, value in content:
        print(f"{name:<{width}}  {printable(str(value))}")


def _video_rows(info: "VideoInfo", notes: "Sequence[str]") -> list[tuple[str, Any]]:
    rate = f"{float(info.average_rate):.3f} fps on average" if info.average_rate else "no constant rate"
    frames = info.num_frames_from_header or "unknown"
    seconds = "unknown" if info.duration_seconds is None else f"{info.duration_seconds:.3f} s"
    turned = "" if info.orientation.is_identity else ", turned or mirrored by its display matrix"
    aspect = (
        "" if info.sample_aspect == 1 else f", pixels {info.sample_aspect.numerator}:{info.sample_aspect.denominator}"
    )
    colour = f"{info.colour.matrix}, {'full' if info.colour.full_range else 'limited'} range"
    rows = [
        ("file", info.path),
        ("container", info.container),
        ("picture", f"{info.width}x{info.height}{aspect}{turned}"),
        ("codec", f"{info.codec}, {info.pixel_format}, {colour}{', HDR' if info.colour.is_hdr else ''}"),
        (
            "time",
            f"{seconds}, {frames} frames (header), {rate}, ticks of {info.time_base} s, starts at {info.start_pts}",
        ),
    ]
    for stream in info.streams:
        words = " ".join(word for word in (stream.codec, stream.detail, stream.language) if word)
        rows.append((f"stream {stream.index}", f"{stream.kind} {words}"))
    rows.extend(("note", note) for note in notes)
    return rows


OTHER_CONTENTS = {"flow": "dx, dy in pixels", "code": "a code", "scores": "a score for each label of the next map"}


def _video_json(info: "VideoInfo", notes: "Sequence[str]") -> dict[str, Any]:
    content = {**asdict(info), "notes": list(notes)}
    return {
        key: f"{value.numerator}/{value.denominator}" if isinstance(value, Fraction) else value
        for key, value in content.items()
    }


def _model_rows(model: "ModelFile") -> list[tuple[str, Any]]:
    manifest = model.manifest
    frame, output = manifest.frame, manifest.output
    least = f" from {frame.minimum}x{frame.minimum} on" if frame.minimum > 1 else ""
    size = f"{frame.width}x{frame.height} only" if frame.fixed_size else f"any{least}"
    if not frame.fixed_size and frame.multiple > 1:
        size += f", padded to a multiple of {frame.multiple}"
    coming_in, coming_out = _picture_coding(frame), _picture_coding(output)
    if frame.labels is not None and frame.is_ids:
        coming_in = f"{frame.dtype}, numbers of {frame.labels.num} classes"
    if output.content != "picture":
        coming_out = f"{output.dtype}, {OTHER_CONTENTS[output.content]}"
    example = manifest.example.tensor if manifest.example else ""

    def shown(name: str) -> str:
        return f"{name} (a picture: --like PICTURE)" if name == example else name

    rows: list[tuple[str, Any]] = [
        ("model", f"{manifest.name} ({model.path})"),
        ("system", manifest.system or "unknown"),
        ("parameters", f"{model.num_parameters:,}"),
        ("kind", manifest.kind),
        ("input", f"{frame.tensor}: {coming_in}"),
        ("with", ", ".join(map(shown, manifest.inputs[1:])) or "no further inputs"),
        ("size", size),
        ("output", f"{output.tensor}: {coming_out}"),
        ("scale", f"{output.scale}x"),
        ("state", ", ".join(tensor.input for tensor in manifest.state) or "none: frames are independent"),
        ("steady", "without help: --steady off by default" if manifest.is_steady else "not stated"),
        ("licence", manifest.licence or "not stated"),
        ("sha256", model.sha256),
    ]
    rows.extend(("inferred", reason) for reason in model.inferred)
    return rows


def _picture_coding(end: "FrameInput | FrameOutput") -> str:
    return f"{end.dtype} {end.layout} {end.order}, {end.range[0]:g}..{end.range[1]:g}"


def _model_json(model: "ModelFile") -> dict[str, Any]:
    return {
        "path": str(model.path),
        "sha256": model.sha256,
        "parameters": model.num_parameters,
        "inferred": list(model.inferred),
        "manifest": model.manifest.model_dump(),
    }
