"""A sink that keeps nothing, for measurements: it counts frames."""

from collections import Counter

from rotoscope.base.frame import Frame


class NullSink:
    """Counts the frames it is given and drops them."""

    def __init__(self) -> None:
        self.num_frames = 0
        self.notes: list[str] = []
        self.kept: list[str] = []
        self.losses: Counter[str] = Counter()

    def write(self, frame: Frame) -> None:  # noqa: ARG002 (the protocol has it)
        """Count one frame."""
        self.num_frames += 1

    def finish(self) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""
