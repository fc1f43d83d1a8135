"""Take an encoder out of a MUNIT network, to be exported alone."""

from dataclasses import replace

from rotoscope.base.errors import UsageError
from rotoscope.export.options import Encoder
from rotoscope.networks import Loaded, Signature
from rotoscope.networks.munit import MunitGenerator, MunitPair


def encoder_of(loaded: Loaded, encoder: Encoder) -> Loaded:
    """Return the style encoder, (N,3,H,W) -> (N,S,1,1), or the content encoder, (N,3,H,W) -> (N,C,H/4,W/4), of a MUNIT network.

    If the file holds both domains, these are the encoders that a translation in its direction uses: the style encoder of the
    target domain and the content encoder of the source domain. Raises UsageError for other architectures.
    """
    network, description = loaded
    if isinstance(network, MunitPair):
        source, target = (network.a, network.b) if network.direction == "AtoB" else (network.b, network.a)
    elif isinstance(network, MunitGenerator):
        source = target = network
    else:
        raise UsageError(f"--part {encoder}: {description.system} has no such part; MUNIT has")
    is_style = encoder == "style-encoder"
    module = target.enc_style if is_style else source.enc_content
    first_weight, *_ = module.parameters()  # of a convolution: (width,channels,7,7)
    return Loaded(
        module,
        replace(
            description,
            system=f"{description.system}, {encoder.replace('-', ' ')}",
            sizes={"in_channels": first_weight.shape[1]},
            signature=Signature(outputs=("style" if is_style else "content",)),
            # A style encoder averages over the picture, so it takes any size, and padding would change the code.
            size_multiple=1 if is_style else network.size_multiple,
            norm="none" if is_style else "instance",
            parameters=sum(parameter.numel() for parameter in module.parameters()),
        ),
    )
