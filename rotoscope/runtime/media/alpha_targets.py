"""Targets that hold alpha: video encoders with their pixel formats, and picture formats."""

from pathlib import Path

from rotoscope.base.errors import UsageError

ENCODERS = {  # encoder -> pixel format of 8 bits, and of more
    "prores_ks": ("yuva444p10le", "yuva444p10le"),
    "ffv1": ("yuva444p", "yuva444p10le"),
    "libvpx-vp9": ("yuva420p", "yuva420p"),
}
BY_ENDING = {".mov": "prores_ks", ".mkv": "ffv1", ".webm": "libvpx-vp9"}  # the default encoder of a container for alpha
PICTURES = ("", ".png", ".webp", ".avif", ".tif", ".tiff", ".exr")  # "" is a folder of PNG


def check_holds_alpha(path: Path | None, codec: str | None) -> None:
    """Raise UsageError for a target that cannot hold alpha; None is y4m on standard output."""
    suffix = ".y4m" if path is None else path.suffix.lower()
    if suffix in PICTURES:
        return
    accepted = "prores_ks in .mov, ffv1 in .mkv, libvpx-vp9 in .webm, .png, .webp, .avif, .tif, .exr"
    if suffix not in BY_ENDING:
        raise UsageError(f"--alpha keep: {suffix} holds none here; accepted: {accepted}")
    if codec is not None and codec not in ENCODERS:
        raise UsageError(f"--alpha keep: {codec} holds none here; accepted: {accepted}")
