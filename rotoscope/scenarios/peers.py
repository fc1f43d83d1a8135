"""Which other programs run a network from file to file on this machine."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rotoscope.base.errors import RotoscopeError
from rotoscope.scenarios.by_hand import by_hand
from rotoscope.scenarios.ffmpeg_peer import ffmpeg_peer
from rotoscope.scenarios.lite_peer import lite_peer
from rotoscope.scenarios.offline import FileProgram
from rotoscope.scenarios.plain_network import PlainNetwork


def open_peers(network: PlainNetwork, threads: int, stack: ExitStack) -> tuple[list[FileProgram], list[str]]:
    """The programs that can run the network, and for each other one a line that says why not.

    stack  keeps a temporary folder for the files that they need
    """
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rotoscope-peers-")))
    makers: tuple[Callable[[], FileProgram], ...] = (
        lambda: by_hand(network, threads),
        lambda: ffmpeg_peer(network, threads, folder),
        lambda: lite_peer(network, threads),
    )
    peers, left_out = [], []
    for make in makers:
        try:
            peers.append(make())
        except RotoscopeError as error:
            left_out.append(str(error))
    return peers, left_out
