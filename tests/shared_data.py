"""Where the folder of real clips, pictures and weights is, if it is here."""

from pathlib import Path

SHARED = Path(__file__).parents[2] / "shared"
