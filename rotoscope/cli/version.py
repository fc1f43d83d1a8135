"""rotoscope version: print the version, or the versions of what a run uses."""

import platform

from rotoscope.base.text import json_text


def version(*, json: bool = False) -> int:
    """Print the version.

    Parameters
    ----------
    json
        Print JSON, with the versions of Python, NumPy, PyAV and FFmpeg.

    """
    from rotoscope import __version__

    print(json_text(versions()) if json else __version__)
    return 0


def versions() -> dict[str, str]:
    """Return the versions of Rotoscope and of the libraries that every run uses."""
    import av
    import numpy

    from rotoscope import __version__

    return {
        "rotoscope": __version__,
        "python": platform.python_version(),
        "av": av.__version__,
        "ffmpeg": av.ffmpeg_version_info,
        "numpy": numpy.__version__,
    }
