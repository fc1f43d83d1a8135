import numpy as np
import pytest

from rotoscope.demo.sensor import Sensor, from_light, to_light


@pytest.mark.parametrize("light", [0.02, 0.2, 0.6])
def test_noise_is_unbiased_and_its_variance_proportional_to_light(light):
    sensor = Sensor(full_well_electrons=1000, read_noise_electrons=3, exposure_drift=0)
    seen = sensor.expose(np.full((500, 500), light, np.float32), t=4).astype(np.float64)
    variance = light / 1000 + (3 / 1000) ** 2
    assert abs(seen.mean() - light) < 5 * np.sqrt(variance / seen.size)
    assert seen.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / seen.size))


def test_noise_is_independent_between_frames_pixels_and_channels():
    grey = np.full((200, 200, 3), 0.3, np.float32)
    first, second = (Sensor(exposure_drift=0).expose(grey, t) - 0.3 for t in (0, 1))
    for a, b in ((first, second), (first[:, 1:], first[:, :-1]), (first[..., 0], first[..., 1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.03


def test_capture_is_deterministic_by_seed_and_frame():
    grey = np.full((20, 30, 3), 0.5, np.float32)
    sensor = Sensor(seed=3)
    np.testing.assert_array_equal(sensor.capture(grey, 8), Sensor(seed=3).capture(grey, 8))
    assert (sensor.capture(grey, 8) != sensor.capture(grey, 9)).any()
    assert (sensor.capture(grey, 8) != Sensor(seed=4).capture(grey, 8)).any()


def test_a_perfect_sensor_only_rounds():
    ramp = np.linspace(0, 1, 256 * 3, dtype=np.float32).reshape(1, 256, 3)
    perfect = Sensor(full_well_electrons=1e9, read_noise_electrons=0, exposure_drift=0)
    code = perfect.capture(ramp, 0)
    assert code.dtype == np.uint8
    np.testing.assert_allclose(code, ramp * 255, atol=0.6)


def test_exposure_drifts_slowly_and_slightly():
    exposure = np.array([Sensor(exposure_drift=0.02).exposure(t) for t in range(300)])
    assert 0.005 < np.abs(exposure - 1).max() <= 0.02
    assert np.abs(np.diff(exposure)).max() < 0.003


def test_transfer_is_inverted():
    value = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(from_light(to_light(value)), value, atol=1e-6)
    assert to_light(np.array([0.5]))[0] == pytest.approx(0.2140, abs=1e-4)
