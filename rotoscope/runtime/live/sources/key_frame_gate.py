"""Hold back the pictures that depend on lost packets: the last good picture stays until a key frame comes.

Decoders conceal what is lost and say nothing: of 267 pictures with 2 % of the datagrams lost, one was marked as damaged.
MPEG-TS marks the packets, by their counter. So from a marked packet on, pictures are not delivered until the next key frame.

The mark comes early: FFmpeg's parser ends a picture when the next one begins, and gives it the mark of the data that came last.
So what was lost belongs to one of the next packets, and a key frame right after a mark is not trusted.
"""

from fractions import Fraction

EARLY_MARK_PACKETS = 2
# After this time pictures are delivered again, and marks mean nothing from then on: a stream with intra refresh has no key
# frames, and some senders count their packets wrong.
LONGEST_HOLD_SECONDS = 10.0


class KeyFrameGate:
    """Closed at the begin of a stream and from a damaged packet on, until a whole key frame."""

    def __init__(self) -> None:
        self.is_waiting = True
        """A key frame must come before pictures are delivered."""
        self.has_begun = False
        """A packet was found that a decoder can begin with."""
        self._ignores_marks = False
        self._num_since_mark = EARLY_MARK_PACKETS
        self._closed_s: float | None = None
        self._from: Fraction | None = None

    def packet(self, stream_s: Fraction | None, arrival_s: float, *, is_key: bool, is_damaged: bool) -> None:
        """Note a packet of the video stream before it is decoded.

        stream_s  its presentation time on the stream's clock, in seconds; None if it has none
        """
        self._num_since_mark += 1
        if is_damaged:
            self._num_since_mark = 0
            self.damaged(arrival_s)
        elif self.is_waiting and is_key and self._num_since_mark > EARLY_MARK_PACKETS:
            self._open(stream_s)
        elif self._from is not None and is_key and stream_s is not None and stream_s < self._from:
            self._from = stream_s  # the clock of the sender begins again
        if self._closed_s is None:
            self._closed_s = arrival_s
        elif self.is_waiting and arrival_s - self._closed_s > LONGEST_HOLD_SECONDS:
            self._ignores_marks = self.has_begun
            self._open(None)

    def damaged(self, arrival_s: float) -> None:
        """Hold pictures back from now on."""
        if not self.is_waiting and not self._ignores_marks:
            self.is_waiting, self._closed_s = True, arrival_s

    def delivers(self, stream_s: Fraction | None) -> bool:
        """Whether a picture with this time may be delivered: not before the key frame comes out of the decoder."""
        if self.is_waiting:
            return False
        if self._from is not None and stream_s is not None:
            if stream_s < self._from:
                return False
            self._from = None
        return True

    def _open(self, stream_s: Fraction | None) -> None:
        self.is_waiting, self._from, self.has_begun = False, stream_s, True
