"""Find packets that a decoder takes without an error and without a picture, as when the codec changes within a stream.

Single packets without a picture are usual: the second field of a picture, VP8's hidden reference frames. RUN of them in a row
are not. A decoder holds frames back, so that a packet counts only once MOST_DELAYED more have come, or at the end.
"""

RUN = 3
MOST_DELAYED = 64  # packets: frames that wait for B-frames, and one for each thread of the decoder


class SilentPackets:
    """Matches pictures to packets by their times."""

    def __init__(self) -> None:
        self._waiting: dict[int, int] = {}  # time of a packet without a picture yet -> its number
        self._failed: set[int] = set()
        self._num_packets = self._num_pictures = self._num_failed = self._in_runs = 0
        self._last = self._run = self._uncounted = 0

    def sent(self, pts: int | None) -> None:
        """A packet went into the decoder; one without a time cannot be matched."""
        self._num_packets += 1
        if pts is not None:
            self._waiting.pop(pts, None)  # the later packet stands last
            self._waiting[pts] = self._num_packets
        while self._waiting and (oldest := next(iter(self._waiting.items())))[1] < self._num_packets - MOST_DELAYED:
            self._silent(*oldest)

    def failed(self, pts: int | None) -> None:
        """The decoder raised an error for this packet, which is counted elsewhere."""
        self._num_failed += 1
        if pts in self._waiting:
            self._failed.add(pts)

    def shown(self, pts: int | None) -> None:
        """A picture came out."""
        self._num_pictures += 1
        if pts in self._waiting:
            del self._waiting[pts]
            self._failed.discard(pts)

    def count(self) -> int:
        """The packets in runs without pictures, at the end of the stream."""
        for pts, number in list(self._waiting.items()):
            self._silent(pts, number)
        # Some decoders change times; then the numbers of packets and pictures still agree.
        return max(0, min(self._in_runs, self._num_packets - self._num_pictures - self._num_failed))

    def _silent(self, pts: int, number: int) -> None:
        del self._waiting[pts]
        if number != self._last + 1:
            self._run = self._uncounted = 0
        self._last = number
        self._run += 1
        self._uncounted += pts not in self._failed
        self._failed.discard(pts)
        if self._run >= RUN:
            self._in_runs += self._uncounted
            self._uncounted = 0
