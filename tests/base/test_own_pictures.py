"""The mark in pictures that Rotoscope wrote."""

import cv2
import numpy as np
import pytest
import tiny_clips

from rotoscope.base.own_pictures import is_own_picture, marked


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_marked_picture_is_recognised_and_shows_the_same(suffix, tmp_path):
    data = cv2.imencode(suffix, tiny_clips.pattern(0))[1].tobytes()
    plain, own = tmp_path / f"plain{suffix}", tmp_path / f"own{suffix}"
    plain.write_bytes(data)
    own.write_bytes(marked(data))
    assert not is_own_picture(plain) and is_own_picture(own)
    assert np.array_equal(cv2.imread(str(plain)), cv2.imread(str(own)))
    assert b"Rotoscope" in own.read_bytes()[:200]


def test_other_files_are_left_alone(tmp_path):
    for data in (b"", b"GIF89a", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0"):
        file = tmp_path / "other"
        file.write_bytes(data)
        assert not is_own_picture(file)
    assert marked(b"GIF89a") == b"GIF89a"
    assert not is_own_picture(tmp_path / "missing") and not is_own_picture(tmp_path)
