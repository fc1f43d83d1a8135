"""Bad files of our own making: every surface that takes a file or a word from a stranger, with the outcome that is expected.

The modules make their files by code from fixed seeds, so that no hostile byte is stored in the repository. `entries()` lists
them all; `run_corpus.py` gives each to the command and judges what came out.
"""

from promises.corpus import (
    batches,
    checkpoint_attacks,
    checkpoint_contents,
    command_words,
    cut_videos,
    descriptions,
    flat_weights,
    names,
    onnx_external,
    onnx_models,
    pictures,
    playlists,
    settings_files,
    special_files,
    strange_videos,
)
from promises.corpus.entry import Entry

FAMILIES = (
    cut_videos,
    strange_videos,
    playlists,
    pictures,
    checkpoint_attacks,
    checkpoint_contents,
    flat_weights,
    onnx_external,
    onnx_models,
    descriptions,
    settings_files,
    names,
    special_files,
    command_words,
    batches,
)


def entries() -> list[Entry]:
    """All entries, in a fixed order; their names are unique."""
    return [entry for family in FAMILIES for entry in family.entries()]
