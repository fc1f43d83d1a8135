"""A part of a network as a network of its own: the encoders of MUNIT."""

from dataclasses import replace

from rotoscope.base.errors import UsageError
from rotoscope.export.options import Part
from rotoscope.networks import Loaded, Signature
from rotoscope.networks.munit import MunitGenerator, MunitPair


def part_of(loaded: Loaded, part: Part) -> Loaded:
    """The style encoder, (N,3,H,W) -> (N,S,1,1), or the content encoder, (N,3,H,W) -> (N,C,H/4,W/4), of a MUNIT file.

    Where the file holds both domains, these are the two that a translation in its direction needs: the style encoder of
    the domain that it leads to, the content encoder of the one that it starts from. Raises UsageError for other networks.
    """
    network, description = loaded
    if isinstance(network, MunitPair):
        source, target = (network.a, network.b) if network.direction == "AtoB" else (network.b, network.a)
    elif isinstance(network, MunitGenerator):
        source = target = network
    else:
        raise UsageError(f"--part {part}: {description.system} has no such part; MUNIT has")
    is_style = part == "style-encoder"
    encoder = target.enc_style if is_style else source.enc_content
    first_weight, *_ = encoder.parameters()  # of a convolution: (width,channels,7,7)
    return Loaded(
        encoder,
        replace(
            description,
            system=f"{description.system}, {part.replace('-', ' ')}",
            sizes={"in_channels": first_weight.shape[1]},
            signature=Signature(outputs=("style" if is_style else "content",)),
            # Nothing is put together again at the picture's size, so a style encoder takes any: padding would change the code.
            size_multiple=1 if is_style else network.size_multiple,
            norm="none" if is_style else "instance",
            parameters=sum(parameter.numel() for parameter in encoder.parameters()),
        ),
    )
