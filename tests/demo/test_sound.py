import numpy as np
import pytest

from rotoscope.demo.sound import PEAK, SAMPLE_RATE, arpeggio


def test_length_type_and_level():
    sound = arpeggio(5.005)
    assert sound.shape == (round(5.005 * SAMPLE_RATE), 2)
    assert sound.dtype == np.int16
    assert np.abs(sound.astype(int)).max() == pytest.approx(PEAK * 32767, abs=1)


def test_both_channels_have_sound_throughout_and_differ():
    sound = arpeggio(6).astype(float)
    loudness = np.sqrt((sound[: 5 * SAMPLE_RATE].reshape(20, -1, 2) ** 2).mean(axis=1))
    assert loudness.min() > 300
    assert np.corrcoef(sound.T)[0, 1] < 0.98
    assert abs(sound.mean()) < 20


def test_it_starts_and_ends_softly():
    sound = np.abs(arpeggio(3).astype(int))
    assert sound[:4].max() < 300
    assert sound[-4:].max() < 30


def test_it_is_deterministic():
    np.testing.assert_array_equal(arpeggio(1), arpeggio(1))


def test_a_duration_of_0_gives_no_samples():
    assert arpeggio(0).shape == (0, 2)
    with pytest.raises(ValueError, match="negative"):
        arpeggio(-1)
