"""Network streams: RTSP, RTMP, HLS, MJPEG and MPEG-TS over HTTP, MPEG-TS and RTP over UDP."""

from collections import Counter

import av
import av.container

from rotoscope.runtime.live.interruption import Interruption
from rotoscope.runtime.live.sources.connection import Connection
from rotoscope.runtime.live.sources.disconnects import Disconnected, disconnects
from rotoscope.runtime.live.sources.network_addresses import NetworkAddress
from rotoscope.runtime.live.sources.pace import Pace
from rotoscope.runtime.media.local_file import INDEXED

# Formats without times of their own: their frames are placed by their arrival.
UNTIMED = {"mpjpeg", "mjpeg", "h264", "hevc", "m4v", "mpegvideo"}
# A server of RTMP sends sound at once, and pictures from the next key frame on. A probe ends when both are found: it may be
# long only for a stream that has sound.
LONG_PROBE_SECONDS = 6
TLS = ("rtsps:", "rtmps:", "https:")
NO_PICTURES = "there are no pictures in the stream"


class NetworkStream:
    """Connects to an address; `connect` may be called again and again.

    interruption  ends the waits of a stream that is played at its own pace
    """

    def __init__(self, address: NetworkAddress, *, interruption: Interruption, threads: int) -> None:
        self._address, self._interruption, self._threads = address, interruption, threads
        self._options = dict(address.options)

    def connect(self, losses: Counter[str]) -> Connection:
        """Open one connection; raises Disconnected."""
        checks = self._options.get("tls_verify") == "1" and self._address.address.startswith(TLS)
        with disconnects("connecting", self._address.open_s, checks_certificate=checks):
            return self._connection(self._opened(), losses)

    def _opened(self) -> av.container.InputContainer:
        container = self._container()
        if container.streams.audio and "rtmp_live" in self._options:
            self._options["analyzeduration"] = str(LONG_PROBE_SECONDS * 1_000_000)
            if not container.streams.video:
                container.close()
                container = self._container()
        if not container.streams.video:
            container.close()
            raise Disconnected(NO_PICTURES)
        return container

    def _container(self) -> av.container.InputContainer:
        address = self._address
        return av.open(
            address.address,
            "r",
            options=dict(self._options),
            timeout=(address.open_s, address.read_s),
            metadata_errors="replace",
        )

    def _connection(self, container: av.container.InputContainer, losses: Counter[str]) -> Connection:
        kind = container.format.name
        # HLS comes in segments, and a file over HTTP as fast as the network is: both are played at their own pace.
        is_paced = kind == "hls" or (kind in INDEXED - {"flv"} and bool(container.duration))
        return Connection(
            self._address.shown,
            container,
            losses=losses,
            threads=self._threads,
            read_limit_s=self._address.read_s,
            has_times=kind not in UNTIMED,
            skips_backlog=not is_paced,
            wait_until_due=Pace(self._interruption.wait).wait_until_due if is_paced else None,
        )
