"""Refuse a model that needs a mask, label maps or instance maps where only pictures are at hand."""

from rotoscope.base.errors import UsageError
from rotoscope.base.manifest import Manifest


def check_needs_pictures_only(manifest: Manifest, why_not: str) -> None:
    """Raise UsageError for a model that needs more than pictures in colour.

    why_not  ends the sentence, for example "which a live source does not have"
    """
    needs = (("label maps", manifest.frame.labels), ("a mask", manifest.mask), ("instance maps", manifest.instances))
    for what, is_needed in needs:
        if is_needed:
            raise UsageError(f"{manifest.name} takes {what}, {why_not}; translate reads them")
