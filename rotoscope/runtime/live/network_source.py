"""Network streams: RTSP, RTMP, HLS, MJPEG and MPEG-TS over HTTP, MPEG-TS and RTP over UDP."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av

from rotoscope.runtime.live.connection import Connection, Received
from rotoscope.runtime.live.disconnects import disconnects
from rotoscope.runtime.live.interruption import Interruption
from rotoscope.runtime.live.network_addresses import NetworkAddress
from rotoscope.runtime.live.pace import Pace
from rotoscope.runtime.live.reconnecting import ReconnectingSource
from rotoscope.runtime.live.sound import SoundTrack

# Formats without times of their own get the time at which a packet is read.
UNTIMED = {"mpjpeg", "mjpeg", "h264", "hevc", "m4v", "mpegvideo"}


class NetworkConnection(Connection):
    """One connection to a network stream; what PyAV raises becomes Disconnected."""

    def __init__(self, address: NetworkAddress, losses: Counter[str], interruption: Interruption, threads: int) -> None:
        self._address = address
        with disconnects("connecting", address.open_s):
            container = av.open(
                address.address,
                "r",
                options=dict(address.options),
                timeout=(address.open_s, address.read_s),
                metadata_errors="replace",
            )
            try:
                # HLS comes in segments, and a file over HTTP as fast as the network is: both are played at their own pace.
                is_paced = container.format.name == "hls" or bool(container.duration)
                super().__init__(
                    address.shown,
                    container,
                    threads=threads,
                    losses=losses,
                    skips_backlog=not is_paced and container.format.name not in UNTIMED,
                    wait_until_due=Pace(interruption.wait).wait_until_due if is_paced else None,
                )
            except BaseException:
                container.close()
                raise

    def pictures(self, sound: SoundTrack | None) -> Iterator[Received]:
        """Decode and yield the pictures; raises Disconnected when the network fails."""
        pictures = super().pictures(sound)
        while True:
            with disconnects("reading", self._address.read_s):
                received = next(pictures, None)
            if received is None:
                return
            yield received
