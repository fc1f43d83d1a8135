"""The code of a picture (its style or its content), made by a model file of kind "encode"."""

import numpy as np
from numpy.typing import NDArray

from rotoscope.base.engine import Engine
from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Picture
from rotoscope.base.sizes import place
from rotoscope.runtime.models.model_file import ModelFile
from rotoscope.runtime.network.call import NotFinite, call
from rotoscope.runtime.network.feed import Feed


def encode(
    model: ModelFile, engine: Engine, picture: Picture, *, working: str | None = None, fit: str = "pad"
) -> NDArray[np.float32]:
    """Encode a picture -> float32 of the shape that the network gives: a style is (1,S,1,1), a content (1,C,H/4,W/4).

    working  size that the network sees, such as "640x360" or "256p"; by default the picture's
    fit      how a picture gets into a network of fixed size: pad, crop or stretch
    Raises NotFinite for a code with NaN or infinite values.
    """
    check_encoder(model)
    manifest = model.manifest
    feed = Feed(manifest, place((picture.width, picture.height), manifest.frame, working=working, fit=fit))
    feed.pictures((picture,))
    name = manifest.output.tensor
    out = np.empty(engine.shapes(feed.arrays, {})[name], manifest.output.dtype)
    call(engine, f"code of {model.name}", feed.arrays, {}, {name: out})
    if not np.isfinite(out).all():
        raise NotFinite(f"the code from {model.name} is NaN or infinite ({engine.description})")
    return out.astype(np.float32, copy=False)


def check_encoder(model: ModelFile) -> None:
    """Raise UsageError unless the model takes one picture and gives a code."""
    manifest = model.manifest
    if manifest.kind != "encode":
        raise UsageError(
            f"{manifest.name} is a model of kind {manifest.kind}; encode takes one of kind encode, such as "
            "export --part style-encoder writes"
        )
    if manifest.inputs != (manifest.frame.tensor,) or manifest.frame.window or manifest.frame.labels or manifest.state:
        raise UsageError(f"{model.path} takes more than one picture; encode takes encoders of a picture alone")
