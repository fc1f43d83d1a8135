"""Published weights that perceptual losses need: where they come from, and a download that the user asked for.

Nothing is downloaded unless an option says so. What is downloaded is kept in the user's cache, and used only if its SHA-256 is
the published one.
"""

import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from rotoscope.base.cache import cache_folder
from rotoscope.base.errors import InputRefused
from rotoscope.base.files import file_digest, part_file

TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class PublishedWeights:
    """A file of weights on the network.

    option   of the command line that takes the file
    url      of the file
    sha256   of the file, lower case
    size     bytes
    licence  of the weights, as far as their publisher states it
    """

    option: str
    url: str
    sha256: str
    size: int
    licence: str

    def __str__(self) -> str:
        """One line with address, size, digest and licence."""
        return f"{self.url} ({self.size / 1e6:.0f} MB, SHA-256 {self.sha256}, {self.licence})"


TORCHVISION = "BSD-3-Clause as torchvision; trained on ImageNet, whose terms torchvision leaves to the user"
SQUEEZENET = PublishedWeights(
    "--squeezenet",
    "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
    "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
    4_958_839,
    TORCHVISION,
)
VGG16 = PublishedWeights(
    "--vgg16",
    "https://download.pytorch.org/models/vgg16-397923af.pth",
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    553_433_881,
    TORCHVISION,
)
VGG19 = PublishedWeights(
    "--vgg19",
    "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
    574_673_361,
    TORCHVISION,
)


def published_file(weights: PublishedWeights) -> Path:
    """Return the file in the user's cache; download it first if it is not there.

    Raises InputRefused if it cannot be downloaded, or if its SHA-256 is not the published one.
    """
    path = cache_folder("models") / weights.url.rpartition("/")[2]
    if path.is_file() and file_digest(path) == weights.sha256:
        return path
    with part_file(path, overwrite=True) as part:
        download(weights, part)
    return path


def download(weights: PublishedWeights, target: Path) -> None:
    """Write the published file to `target`; raise InputRefused if it is not reached or is another file."""
    other_way = f"download the file another way and give it by {weights.option}"
    try:
        with urllib.request.urlopen(weights.url, timeout=TIMEOUT_SECONDS) as answer, target.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise InputRefused(f"{weights.url}: not reached ({getattr(error, 'reason', error)}); {other_way}") from error
    found = file_digest(target)
    if found != weights.sha256:
        raise InputRefused(f"{weights.url}: SHA-256 {found} instead of {weights.sha256}; {other_way}")
