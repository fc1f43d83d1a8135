"""Sound of the demo clip: a soft plucked arpeggio over four chords that moves between left and right."""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 48_000  # Hz
PEAK = 0.5  # of full scale: -6 dB
NOTE_SECONDS = 0.25
RING_SECONDS = 2.0  # length of a plucked note, which has faded by then
FADE_SECONDS = 0.4  # at the end of the sound
CHORDS = (  # semitones above A3 (220 Hz); eight notes each
    (0, 7, 12, 15, 19, 15, 12, 7),  # A minor
    (-4, 3, 8, 12, 15, 12, 8, 3),  # F major
    (-9, 3, 7, 10, 15, 10, 7, 3),  # C major
    (-2, 5, 10, 14, 17, 14, 10, 5),  # G major
)


def arpeggio(seconds: float) -> NDArray[np.int16]:
    """Make the sound: (samples, 2) int16 at SAMPLE_RATE, of the given length rounded to a sample; deterministic."""
    if seconds < 0:
        raise ValueError(f"{seconds=}; a duration cannot be negative")
    length, step, ring = (round(s * SAMPLE_RATE) for s in (seconds, NOTE_SECONDS, RING_SECONDS))
    sound = np.zeros((length + ring, 2), np.float32)
    melody = [note for chord in CHORDS for note in chord]
    for n, start in enumerate(range(0, length, step)):
        angle = math.pi / 4 + 0.5 * math.sin(n * 0.7)  # constant power between left and right
        pluck = _pluck(melody[n % len(melody)])
        sound[start : start + ring, 0] += math.cos(angle) * pluck
        sound[start : start + ring, 1] += math.sin(angle) * pluck
    sound = sound[:length]
    fade = min(round(FADE_SECONDS * SAMPLE_RATE), length)
    sound[length - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    loudest = float(np.abs(sound).max(initial=0))
    return np.round(sound * (PEAK * 32767 / loudest if loudest else 0)).astype(np.int16)


@cache
def _pluck(semitones: int) -> NDArray[np.float32]:
    """One plucked string: the higher an overtone, the weaker it starts and the sooner it fades."""
    time = np.arange(round(RING_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 220 * 2 ** (semitones / 12)
    overtones = range(1, 6)
    tone = sum(np.sin(math.tau * k * pitch * time) * np.exp(-(1.5 + 1.2 * k) * time) / k**1.8 for k in overtones)
    attack = np.minimum(time / 0.004, 1)
    release = np.minimum((RING_SECONDS - time) / 0.2, 1)
    return np.asarray(tone * attack * release, np.float32)
