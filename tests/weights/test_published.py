"""Published weights: named when they are missing, downloaded when asked, and refused if they are another file."""

import hashlib
import io
import urllib.error

import pytest

from rotoscope.base import cache
from rotoscope.base.errors import InputRefused, UsageError
from rotoscope.training.losses.painting import frozen_squeezenet
from rotoscope.training.losses.perceptual import frozen_vgg
from rotoscope.weights import published
from rotoscope.weights.published import SQUEEZENET, PublishedWeights, published_file

CONTENT = b"weights"
TINY = PublishedWeights("--tiny", "https://example.org/tiny.pth", hashlib.sha256(CONTENT).hexdigest(), 7, "CC0")


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The addresses that were opened; what is answered can be changed."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(cache, "user_cache_path", lambda _name: tmp_path)
    seen = []

    def answer(url, timeout):
        assert timeout > 0
        seen.append(url)
        return io.BytesIO(CONTENT)

    monkeypatch.setattr(published.urllib.request, "urlopen", answer)
    return seen


def test_a_file_is_downloaded_once(asked):
    first, second = published_file(TINY), published_file(TINY)
    assert first == second and first.read_bytes() == CONTENT
    assert asked == [TINY.url]


def test_another_file_is_refused_and_not_kept(asked, monkeypatch):
    monkeypatch.setattr(published.urllib.request, "urlopen", lambda _url, timeout: io.BytesIO(b"other"))
    with pytest.raises(InputRefused, match=r"tiny.pth: SHA-256 .* instead of .*; download the file .* by --tiny"):
        published_file(TINY)
    assert not list(cache.folder_of("models").glob("*.pth"))


def test_an_address_that_is_not_reached_is_named(asked, monkeypatch):
    def unreachable(_url, timeout):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(published.urllib.request, "urlopen", unreachable)
    with pytest.raises(InputRefused, match=r"https://example.org/tiny.pth: not reached \(no route\); .* by --tiny"):
        published_file(TINY)


def test_weights_that_are_missing_are_named_and_not_downloaded(asked):
    for missing in (lambda: frozen_squeezenet(None, fetch=False), lambda: frozen_vgg(16, None, "relu4_3")):
        with pytest.raises(
            UsageError, match=r"https://download.pytorch.org/\S+ \(\d+ MB, SHA-256 [0-9a-f]{64}, BSD-3-Clause"
        ):
            missing()
    assert asked == []
    assert SQUEEZENET.sha256.startswith("b8a52dc0")  # torchvision's name of the file holds the first digits
