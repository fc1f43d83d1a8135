"""The trial of a GPU's decoder, without a GPU: the clips that it decodes are good, and no decoder gives a reason."""

import av
import pytest

from rotoscope.base.device import FIRST_GPU
from rotoscope.runtime.media import hardware_codecs
from rotoscope.runtime.media.encoder import why_not_opened
from rotoscope.runtime.media.encoder_settings import SETTINGS


@pytest.mark.parametrize("codec", hardware_codecs.DECODED)
def test_the_trial_clip_decodes(codec):
    with av.open(hardware_codecs._trial(hardware_codecs.DECODED[codec])) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name in (codec, "vp9", "av1")
        assert sum(1 for _ in container.decode(video=0)) == hardware_codecs._NUM_FRAMES


def test_without_a_driver_there_is_a_reason(monkeypatch):
    def no_driver(*_, **__):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(hardware_codecs, "HWAccel", no_driver)
    assert hardware_codecs.why_not_decoded("h264", FIRST_GPU) == "Operation not permitted"


@pytest.mark.parametrize(
    "name", [name for name in SETTINGS if name in av.codec.codecs_available and name != "rawvideo"]
)
def test_the_default_options_of_an_encoder_exist(name):
    supported = av.CodecContext.create(name, "w").supported_options
    names = {option.name for option in (*supported.generic, *supported.private)}
    for settings in SETTINGS[name].values():
        assert set(settings) <= names


def test_an_encoder_that_does_not_exist_gives_a_reason():
    assert why_not_opened("h264_of_tomorrow") == "not in this FFmpeg"
    assert why_not_opened("libx264") == ""
