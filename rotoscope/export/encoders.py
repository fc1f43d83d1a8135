"""Take an encoder out of a network, to be exported alone."""

from dataclasses import replace

from torch import nn

from rotoscope.base.errors import UsageError
from rotoscope.export.options import Encoder
from rotoscope.networks import Loaded, Signature
from rotoscope.networks.any_look import AnyLook
from rotoscope.networks.munit import MunitGenerator, MunitPair


def encoder_of(loaded: Loaded, encoder: Encoder) -> Loaded:
    """Return the style encoder (N,3,H,W) -> (N,S,1,1) or the content encoder (N,3,H,W) -> (N,C,H/4,W/4) of a network.

    MUNIT has both, any-look a style encoder. If a MUNIT file holds both domains, these are the encoders that a translation in
    its direction uses: the style encoder of the target domain and the content encoder of the source domain. Raises UsageError
    for other architectures.
    """
    network, description = loaded
    is_style = encoder == "style-encoder"
    if isinstance(network, AnyLook) and is_style:
        return _as_encoder(loaded, network.encoder, encoder, size_multiple=1)
    if isinstance(network, MunitPair):
        source, target = (network.a, network.b) if network.direction == "AtoB" else (network.b, network.a)
    elif isinstance(network, MunitGenerator):
        source = target = network
    else:
        raise UsageError(
            f"--part {encoder}: {description.system} has no such part; MUNIT has both, any-look has a style encoder"
        )
    module = target.enc_style if is_style else source.enc_content
    # A style encoder averages over the picture, so it takes any size, and padding would change the code.
    return _as_encoder(loaded, module, encoder, size_multiple=1 if is_style else network.size_multiple)


def _as_encoder(loaded: Loaded, module: nn.Module, encoder: Encoder, *, size_multiple: int) -> Loaded:
    is_style = encoder == "style-encoder"
    first_weight, *_ = module.parameters()  # of a convolution: (width,channels,k,k)
    return Loaded(
        module,
        replace(
            loaded.description,
            system=f"{loaded.description.system}, {encoder.replace('-', ' ')}",
            sizes={"in_channels": first_weight.shape[1]},
            signature=Signature(outputs=("style" if is_style else "content",)),
            size_multiple=size_multiple,
            norm="none" if is_style else "instance",
            parameters=sum(parameter.numel() for parameter in module.parameters()),
        ),
    )
