"""The numbers that options of training accept, each as a type with its limits.

The limits refuse what cannot be meant, such as 10^300 steps. Whether a network fits into the memory is found when it is made.
"""

from typing import Annotated

from rotoscope.base.limits import Within

BatchSize = Annotated[int, Within(1, 4096, "samples")]
Blocks = Annotated[int, Within(1, 64)]
"""Residual blocks"""

Channels = Annotated[int, Within(1, 1024)]
Crops = Annotated[int, Within(0, 1_000_000)]
Downs = Annotated[int, Within(2, 10)]
"""Levels of a U-Net"""

Interval = Annotated[int, Within(1, 1_000_000)]
"""Epochs between two changes"""

Layers = Annotated[int, Within(1, 8)]
"""Layers, scales or levels, each at half the size of the one before"""

NumEpochs = Annotated[int, Within(0, 1_000_000)]
Pool = Annotated[int, Within(0, 5000, "pictures")]
Rate = Annotated[float, Within(1e-12, 10)]
"""Learning rate"""

Repeats = Annotated[int, Within(1, 1000)]
"""Updates of one network for each update of another"""

Side = Annotated[int, Within(0, 16384, "pixels")]
Steps = Annotated[int, Within(1, 1_000_000_000)]
Weight = Annotated[float, Within(0, 1e15)]
"""Weight of a term of the loss"""
