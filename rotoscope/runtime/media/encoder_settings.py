"""Settings of the video encoders by name of a quality, and for pictures; `-e` overrides each of them.

preview    small and quick, to look at
good       near-transparent, at a speed that leaves the cores to the network; the default
delivery   transparent, slower and larger
lossless   the code values of the pixel format come back exactly; converting a result to that format still rounds
"""

from typing import get_args

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import HdrMetadata
from rotoscope.base.options import Quality

QUALITIES = get_args(Quality)

# FFmpeg's own default for NVENC is 2 Mbit/s.
NVENC = {"preset": "p4", "tune": "hq", "rc": "vbr", "cq": "19", "b": "0", "spatial-aq": "1"}
_NVENC = {
    "preview": {**NVENC, "preset": "p1", "cq": "30"},
    "good": NVENC,
    "delivery": {**NVENC, "preset": "p7", "cq": "15"},
    "lossless": {"preset": "p4", "tune": "lossless"},
}
_VP9 = {"b": "0", "row-mt": "1"}

SETTINGS: dict[str, dict[str, dict[str, str]]] = {
    "libx264": {
        "preview": {"crf": "28", "preset": "ultrafast"},
        "good": {"crf": "18", "preset": "superfast"},
        "delivery": {"crf": "14", "preset": "slow"},
        "lossless": {"qp": "0", "preset": "veryfast"},
    },
    "libx265": {
        "preview": {"crf": "30", "preset": "ultrafast", "x265-params": "log-level=none"},
        "good": {"crf": "20", "preset": "veryfast", "x265-params": "log-level=none"},
        "delivery": {"crf": "16", "preset": "slow", "x265-params": "log-level=none"},
        "lossless": {"preset": "veryfast", "x265-params": "log-level=none:lossless=1"},
    },
    "libvpx-vp9": {
        "preview": {**_VP9, "crf": "38", "deadline": "realtime", "cpu-used": "8"},
        "good": {**_VP9, "crf": "24", "deadline": "realtime", "cpu-used": "6"},
        "delivery": {**_VP9, "crf": "18", "deadline": "good", "cpu-used": "2"},
        "lossless": {**_VP9, "lossless": "1", "deadline": "realtime", "cpu-used": "6"},
    },
    "libsvtav1": {
        "preview": {"crf": "40", "preset": "12"},
        "good": {"crf": "26", "preset": "8"},
        "delivery": {"crf": "18", "preset": "5"},
        "lossless": {"preset": "8", "svtav1-params": "lossless=1"},
    },
    "prores_ks": {"preview": {"profile": "proxy"}, "good": {"profile": "hq"}, "delivery": {"profile": "hq"}},
    "dnxhd": {"preview": {"profile": "dnxhr_lb"}, "good": {"profile": "dnxhr_hq"}, "delivery": {"profile": "dnxhr_hq"}},
    "h264_nvenc": _NVENC,
    "hevc_nvenc": _NVENC,
    "av1_nvenc": {name: settings for name, settings in _NVENC.items() if name != "lossless"},
    "rawvideo": {name: {"chroma_sample_location": "left"} for name in QUALITIES},
    "ffv1": {name: {"level": "3", "slicecrc": "1"} for name in QUALITIES},
}

# Profiles that a pixel format needs, whatever the quality: the others hold 4:2:2 only, or 8 bits.
_PROFILES = {
    ("prores_ks", "yuv444p10le"): "4444",
    ("prores_ks", "yuva444p10le"): "4444",
    ("dnxhd", "yuv422p10le"): "dnxhr_hqx",
    ("dnxhd", "yuv444p10le"): "dnxhr_444",
}

_PICTURES = {
    ".jpg": {"preview": 75, "good": 95, "delivery": 98},
    ".webp": {"preview": 75, "good": 95, "delivery": 98},
    ".avif": {"preview": 50, "good": 85, "delivery": 95},
}


def settings_of(codec: str, quality: str | None, pixel_format: str) -> dict[str, str]:
    """Options of an encoder for a quality and a pixel format; raises UsageError for a quality that it does not have.

    quality  None: good, or nothing for an encoder that is not in the table
    """
    known = SETTINGS.get(codec)
    if known is None and quality is not None:
        named = ", ".join(SETTINGS)
        raise UsageError(f"--quality {quality}: no settings for {codec}; set them with -e, or choose one of {named}")
    if known is not None and quality is not None and quality not in known:
        lossless = " (ffv1, libx264, libx265 and libvpx-vp9 have lossless)" if quality == "lossless" else ""
        raise UsageError(f"--quality {quality}: {codec} does not have it; accepted: {', '.join(known)}{lossless}")
    settings = dict((known or {}).get(quality or "good", {}))
    if pixel_format == "yuva420p" and codec == "libvpx-vp9":
        settings["auto-alt-ref"] = "0"  # libvpx knows no hidden frames beside alpha
    profile = _PROFILES.get((codec, pixel_format))
    return {**settings, "profile": profile} if profile is not None else settings


_PARAMETERS = {"libx265": "x265-params", "libx264": "x264-params", "libsvtav1": "svtav1-params"}


def carries_hdr_metadata(codec: str) -> bool:
    """Whether an encoder writes the mastering display and the content light into its stream."""
    return codec in _PARAMETERS


def with_hdr_metadata(codec: str, settings: dict[str, str], metadata: HdrMetadata | None) -> dict[str, str]:
    """Settings of an encoder with HDR metadata in its own spelling, unless the user gives some."""
    option = _PARAMETERS.get(codec)
    given = settings.get(option or "", "")
    if option is None or metadata is None or "mastering" in given or "master-display" in given:
        return settings
    added = [given] if given else []
    is_av1 = codec == "libsvtav1"
    if metadata.primaries is not None and metadata.luminance is not None:
        # x264 and x265 count in units of 0.00002 and 0.0001 cd/m2; SVT-AV1 takes plain numbers.
        unit, light = (1.0, 1.0) if is_av1 else (50000.0, 10000.0)
        pairs = dict(zip(["R", "G", "B", "WP"], metadata.primaries, strict=True))
        words = [f"{name}({_number(x * unit, is_av1)},{_number(y * unit, is_av1)})" for name, (x, y) in
                 ((name, pairs[name]) for name in ("G", "B", "R", "WP"))]  # fmt: skip
        dark, bright = metadata.luminance
        words.append(f"L({_number(bright * light, is_av1)},{_number(dark * light, is_av1)})")
        name = {"libx265": "master-display", "libx264": "mastering-display", "libsvtav1": "mastering-display"}[codec]
        added.append(f"{name}={''.join(words)}")
    if metadata.light is not None:
        name = {"libx265": "max-cll", "libx264": "cll", "libsvtav1": "content-light"}[codec]
        added.append(f"{name}={metadata.light[0]},{metadata.light[1]}")
    return {**settings, option: ":".join(added)} if added else settings


def _number(value: float, is_plain: bool) -> str:
    return f"{value:.4f}" if is_plain else str(round(value))


def picture_quality(suffix: str, quality: str | None) -> int | None:
    """The quality of a picture file, 0 to 100, 101 for lossless WebP; None for formats without one. Raises UsageError."""
    suffix = ".jpg" if suffix == ".jpeg" else suffix
    if suffix == ".webp" and quality == "lossless":
        return 101
    known = _PICTURES.get(suffix)
    if known is None:
        return None
    if quality == "lossless":
        name = "AVIF" if suffix == ".avif" else "JPEG"
        raise UsageError(f"--quality lossless: {name} does not have it here; .png, .webp and .tif do")
    return known[quality or "good"]
