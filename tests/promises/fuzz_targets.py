"""What is fuzzed: for each target, how bytes reach our code, which errors are right answers, and its seeds.

The seeds are files of the corpus, so that the repository holds code that makes them and no hostile byte.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from promises.corpus import (
    checkpoint_attacks,
    checkpoint_contents,
    command_words,
    cut_videos,
    descriptions,
    flat_weights,
    onnx_models,
    pictures,
    settings_files,
    strange_videos,
)
from promises.corpus.entry import Entry

MAX_SEED_BYTES = 1 << 16
MAX_SEEDS = 400
MAX_FRAMES = 4  # decoded of a video


@dataclass(frozen=True)
class Target:
    """One function under attack.

    ending    of the file that the bytes are written to
    run       takes the path of that file
    families  modules of the corpus whose files are the seeds
    """

    ending: str
    run: Callable[[Path], object]
    families: tuple[object, ...]


def _checkpoint(path: Path) -> None:
    from rotoscope.export.checkpoint import open_checkpoint

    open_checkpoint(path)


def _onnx(path: Path) -> None:
    from rotoscope.runtime.models.model_file import open_model

    open_model(path)


def _description(path: Path) -> None:
    from rotoscope.base.manifest import Manifest
    from rotoscope.runtime.models.golden import golden_inputs

    manifest = Manifest.from_json(path.read_bytes().decode("utf-8", "replace"), where="bad.onnx")
    golden_inputs(manifest, seed=0, height=16, width=16)


def _settings(path: Path) -> None:
    from rotoscope.cli import settings

    content = settings._content(path)  # the file as it is read for every command
    for command in content:
        settings._table(path, (command,))


def _words(path: Path) -> None:
    from cyclopts import CycloptsError

    from rotoscope.cli import register
    from rotoscope.cli.common_options import split_words
    from rotoscope.cli.usage_errors import answer

    _, words = split_words(path.read_bytes().decode("utf-8", "replace").split("\n"))
    try:
        register().parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        answer(error)


def _texts(path: Path) -> None:
    """Sizes, rates and synthetic sources, which stand in one word each."""
    from rotoscope.base.errors import RotoscopeError
    from rotoscope.base.rates import exact_rate
    from rotoscope.base.sizes import parse_size
    from rotoscope.runtime.media.synthetic import PREFIX, parse_synthetic

    text = path.read_bytes().decode("utf-8", "replace")
    for parse in (
        lambda: parse_size(text, (64, 48)),
        lambda: parse_synthetic(PREFIX + text),
        lambda: exact_rate(len(text) / 7),
    ):
        try:
            parse()
        except RotoscopeError:
            continue


def _video(path: Path) -> None:
    from itertools import islice

    from rotoscope.runtime.media.open_source import open_source

    with open_source(str(path)) as source:
        for _ in islice(source, MAX_FRAMES):
            pass


TARGETS = {
    "checkpoint": Target("pth", _checkpoint, (checkpoint_attacks, checkpoint_contents)),
    "onnx": Target("onnx", _onnx, (onnx_models, descriptions)),
    "description": Target("json", _description, (descriptions,)),
    "safetensors": Target("safetensors", _checkpoint, (flat_weights,)),
    "npz": Target("npz", _checkpoint, (flat_weights,)),
    "settings": Target("toml", _settings, (settings_files,)),
    "words": Target("txt", _words, (command_words,)),
    "texts": Target("txt", _texts, (command_words,)),
    "video": Target("bin", _video, (cut_videos, strange_videos, pictures)),
}


def attack(target: Target, data: bytes, folder: Path) -> None:
    """Give some bytes to a target; raises only what is a defect."""
    from rotoscope.base.errors import RotoscopeError

    path = folder / f"bad.{target.ending}"
    path.write_bytes(data)
    try:
        target.run(path)
    except RotoscopeError as error:
        if "\n" in str(error):
            raise AssertionError(f"a message of several lines: {str(error)[:200]!r}") from error


def seeds(name: str) -> Iterator[bytes]:
    """Yield what a target starts from: the small files of its part of the corpus."""
    target, given = TARGETS[name], 0
    for family in target.families:
        for entry in family.entries():
            data = _content(entry, target.ending, name)
            if data is not None and len(data) <= MAX_SEED_BYTES and given < MAX_SEEDS:
                given += 1
                yield data


def _content(entry: Entry, ending: str, name: str) -> bytes | None:
    if name == "words":
        return "\n".join(word for word in entry.words if not word.startswith("{")).encode("utf-8", "replace")
    if name == "texts":
        return entry.words[-1].encode("utf-8", "replace") if entry.words else None
    if "special" in entry.name or (name == "settings" and entry.name.endswith(("fifo", "endless", "sparse", "folder"))):
        return None
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        entry.make(folder)
        if name == "description":
            return _metadata(folder / "bad.onnx")
        pattern = "bad.*" if name == "video" else f"*.{ending}"
        found = [path for path in sorted(folder.glob(pattern)) if path.is_file()]
        return found[0].read_bytes() if found else None


def _metadata(path: Path) -> bytes:
    import onnx

    return onnx.load(path).metadata_props[0].value.encode("utf-8", "replace")
