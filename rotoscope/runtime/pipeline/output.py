"""Target, size and encoder of the result: decided before the first frame, so that refusals come early."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from rotoscope.base.errors import UsageError
from rotoscope.base.files import check_target
from rotoscope.base.frame import VideoInfo
from rotoscope.base.options import OutputOptions, SourceOptions
from rotoscope.base.sizes import parse_size
from rotoscope.runtime.media.alpha_targets import check_holds_alpha
from rotoscope.runtime.media.decoded import chroma_of, has_alpha
from rotoscope.runtime.media.encoder import (
    CONTAINERS,
    Encoder,
    VideoFormat,
    choose_encoder,
    output_suffix,
    parse_encoder_options,
)
from rotoscope.runtime.media.encoder_settings import carries_hdr_metadata, picture_quality
from rotoscope.runtime.media.open_sink import NULL, holds_several
from rotoscope.runtime.media.open_source import MediaSource
from rotoscope.runtime.media.picture_codecs import WRITABLE as PICTURE_SUFFIXES
from rotoscope.runtime.media.picture_codecs import bits_of
from rotoscope.runtime.media.picture_sink import is_picture_target
from rotoscope.runtime.media.sequence_files import PATTERN
from rotoscope.runtime.pipeline.finish import Finish
from rotoscope.runtime.pipeline.stages import Stages


@dataclass(frozen=True)
class OutputPlan:
    """Target, last stage and encoder of a result.

    path     None: standard output; Path("null:"): frames are counted and not kept
    finish   the stage that makes code values
    encoder  None for pictures
    video    picture format and clock for the encoder; None for pictures
    """

    path: Path | None
    finish: Finish
    encoder: Encoder | None = None
    video: VideoFormat | None = None

    @property
    def is_null(self) -> bool:
        """Whether the result is thrown away."""
        return self.path == Path(NULL)

    @property
    def muxer(self) -> str:
        """FFmpeg's name of the container."""
        return "yuv4mpegpipe" if self.path is None else CONTAINERS[self.path.suffix.lower()][0]

    @property
    def description(self) -> str:
        """Encoder and pixel format, for reports."""
        if self.is_null:
            return "null"
        if self.encoder is None:
            return f"pictures, {self.finish.depth} bit"
        return f"{self.encoder.codec} {self.encoder.pixel_format}"


def check_named_target(source: str, target: str | None, options: OutputOptions) -> None:
    """Raise UsageError for a target that cannot be written, as far as its name and the disk tell: the first check of a run."""
    if not source:
        raise UsageError('source "": an empty name; accepted: a file, a folder, a pattern, - for standard input')
    if target in (None, "-", NULL):
        return
    if not target:
        raise UsageError('target "": an empty name; accepted: a file, a folder, a pattern, - for standard output')
    path = Path(str(target))
    check_target(path, source=None if source == "-" else Path(source), overwrite=options.overwrite, may_be_folder=True)
    if is_picture_target(path) and (options.codec or options.encoder_options):
        raise UsageError(f"--codec and -e are for videos; {path} is a picture")
    if is_picture_target(path):
        if options.tag or options.passes == 2:
            given = f"--tag {options.tag}: tags" if options.tag else "--passes 2: passes"
            raise UsageError(f"{given} are for videos; {path} is a picture")
        picture_quality(path.suffix.lower(), options.quality)
    if not is_picture_target(path):
        output_suffix(path)  # refuses an unknown ending


def check_target_fits(target: str | None, reader: MediaSource, options: SourceOptions) -> None:
    """Raise UsageError for a single picture as the target of a source that has several frames, as far as its header tells."""
    if target in (None, "-", NULL) or not is_single_picture(Path(str(target))) or holds_several(Path(str(target))):
        return
    num_frames = reader.info.num_frames_from_header or 1
    if num_frames > 1 and not reader.is_picture and options.duration is None:
        path = Path(str(target))
        pattern = f"{path.stem}_%05d{path.suffix}"
        raise UsageError(f"{path}: the source has more than one frame; give a folder or {pattern}")


def is_single_picture(path: Path) -> bool:
    """Whether a target names one picture, not a folder or a numbered pattern."""
    return path.suffix.lower() in PICTURE_SUFFIXES and not PATTERN.search(path.name) and not path.is_dir()


def plan_output(
    source: str,
    target: str | None,
    reader: MediaSource,
    stages: Stages,
    options: OutputOptions,
) -> OutputPlan:
    """The plan for one run; raises UsageError for a target, size, encoder or option that cannot work."""
    path = _target_path(source, target, reader, stages)
    if path is not None and target is None:
        check_named_target(source, str(path), options)
    info = reader.info
    if stages.models[0].manifest.frame.labels is not None:
        info = replace(info, pixel_format="rgb24", depth=8)  # a label map becomes a picture in colour
    source_size = (info.width, info.height)
    size, region = stages.natural_size(source_size), stages.region(source_size)
    if options.output_size:
        size = parse_size(options.output_size, region[2:])
    keeps_alpha = options.alpha == "keep" and has_alpha(info.pixel_format) and info.codec != "mjpeg"
    if keeps_alpha and target != NULL:
        check_holds_alpha(path, options.codec)
    if options.hdr == "keep" and info.colour.is_hdr and target != NULL:
        _check_gives_light_back(path)
    finish = Finish(
        size=size, region=stages.region, pixel_format="rgb24", colour=info.colour, depth=8, mix=options.mix,
        compare=options.compare, times=stages.times, device=stages.device, alpha=keeps_alpha,
        hdr=info.colour.transfer if options.hdr == "keep" and info.colour.is_hdr else 0,
    )  # fmt: skip
    if target == NULL:
        return OutputPlan(Path(NULL), replace(finish, pixel_format="yuv420p"))
    if is_picture_target(path):
        assert path is not None
        bits = bits_of("" if path.is_dir() else path.suffix.lower(), info.depth)
        return OutputPlan(path, replace(finish, depth=bits, pixel_format="rgb48le" if bits == 16 else "rgb24"))
    width, height = finish.written_size
    aspect = info.sample_aspect * Fraction(region[2], region[3]) / Fraction(size[0], size[1])
    video = VideoFormat(
        width=width,
        height=height,
        time_base=info.time_base,
        rate=info.average_rate,
        # Rounding to whole pixels is not anamorphic; a real change of aspect is.
        sample_aspect=info.sample_aspect
        if abs(aspect / info.sample_aspect - 1) < 0.01
        else aspect.limit_denominator(255),
        colour=info.colour,
        chroma=chroma_of(info.pixel_format),
        depth=info.depth,
        hdr_metadata=info.hdr_metadata if info.colour.is_hdr else None,
    )
    encoder = choose_encoder(
        video,
        suffix=".y4m" if path is None else output_suffix(path),
        codec=options.codec,
        options=parse_encoder_options(options.encoder_options),
        quality=options.quality,
        alpha=keeps_alpha,
        tag=options.tag,
        passes=options.passes,
        threads=stages.workers.threads,
    )
    return OutputPlan(path, replace(finish, pixel_format=encoder.colour_format, depth=encoder.depth), encoder, video)


def _check_gives_light_back(path: Path | None) -> None:
    """Raise UsageError if results cannot be HDR."""
    if is_picture_target(path) or path is None or path.suffix.lower() in (".gif", ".y4m"):
        name = "y4m" if path is None else str(path)
        raise UsageError(
            f"--hdr keep: {name} does not say that it is HDR; accepted: .mp4, .mov, .mkv, or --hdr tonemap"
        )


def format_notes(info: VideoInfo, plan: OutputPlan) -> list[str]:
    """Sentences about properties of the source that the format of the output cannot keep."""
    encoder, finish = plan.encoder, plan.finish
    notes: list[str] = []
    if plan.is_null:
        return notes
    if encoder is None or plan.path is None:
        left = {"audio": "sound", "subtitle": "subtitles"}
        kinds = dict.fromkeys(left[stream.kind] for stream in info.streams if stream.kind in left)
        notes.extend(
            f"{kind} left out: {'y4m has none' if plan.path is None else 'pictures have none'}" for kind in kinds
        )
    if encoder is not None:
        chroma = chroma_of(info.pixel_format)
        odd = finish.written_size[0] % 2 or finish.written_size[1] % 2
        if odd and chroma == "420" and "444" in encoder.pixel_format:
            notes.append(f"odd size: {encoder.codec} takes it as {encoder.pixel_format} only")
        elif chroma in ("422", "444", "rgb") and "420" in encoder.pixel_format:
            more = "" if finish.alpha else " (-e pix_fmt=yuv444p keeps more colour)"
            notes.append(f"{info.pixel_format} is written as {encoder.pixel_format}{more}")
        if plan.video is not None and plan.video.hdr_metadata is not None and not carries_hdr_metadata(encoder.codec):
            notes.append(f"HDR metadata left out: {', '.join(plan.video.hdr_metadata.kinds)}; libx265 writes it")
        if info.depth > 8 and encoder.depth == 8:
            notes.append(f"{info.depth} bits are written as 8")
    return notes


def _target_path(source: str, target: str | None, reader: MediaSource, stages: Stages) -> Path | None:
    """The target; None for standard output."""
    if target == "-" or (target is None and source == "-"):
        return None
    if target is not None:
        return Path(target)
    model = stages.name
    stem, suffix = Path(source).stem, Path(source).suffix.lower()
    if reader.is_picture:
        is_kept = suffix in PICTURE_SUFFIXES and suffix != ".avif"  # written with 8 bits only
        return Path(f"{stem}.{model}{suffix if is_kept else '.png'}")
    if reader.info.container == "pictures":
        name = (
            Path(source).resolve().name if Path(source).is_dir() else PATTERN.sub("", stem).strip("*?_-. ") or "frames"
        )
        return Path(f"{name}-{model}".replace(".", "-"))  # an ending would make it a file
    return Path(f"{stem}.{model}{suffix if suffix in CONTAINERS else '.mp4'}")
