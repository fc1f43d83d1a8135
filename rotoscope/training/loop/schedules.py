"""Learning rates as published, as factors of the initial rate: pure functions of how far a run has come, never below 0."""

import math


def constant_then_linear(epochs_done: int, constant: int, decay: int) -> float:
    """CycleGAN's: 1 for `constant` epochs, then in equal steps towards 0, which the epoch after the last would have."""
    return max(0.0, 1 - max(0, epochs_done + 1 - constant) / (decay + 1))


def constant_then_to_zero(epochs_done: int, constant: int, decay: int) -> float:
    """vid2vid's: 1 for `constant` epochs and one more, then by 1/decay for each; the rate is set at the end of an epoch."""
    return max(0.0, 1 - max(0, epochs_done - constant) / max(1, decay))


def halved_every(done: int, period: int) -> float:
    """Half the rate after each `period`: of 100,000 iterations for MUNIT, at epochs 20, 40, ... for blind consistency."""
    return 0.5 ** (done // period)


def divided_at(epochs_done: int, milestones: tuple[int, ...], factor: float = 0.1) -> float:
    """Super SloMo's: a tenth from each of these epochs on."""
    return factor ** sum(epochs_done >= milestone for milestone in milestones)


def warm_then_cosine(step: int, steps: int, warm_share: float) -> float:
    """From near 0 to 1 in the first part of the steps, then along half a cosine to 0 (Loshchilov and Hutter 2017)."""
    warm = max(1, round(warm_share * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))
