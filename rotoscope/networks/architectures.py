"""The architectures that checkpoints are recognised as: one table; the first row that fits decides."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from rotoscope.networks import (
    adain,
    animegan,
    any_look,
    cartoongan,
    compact,
    contextual_attention,
    cut,
    dualgan,
    fast_style,
    fast_style_deconv,
    label_predictor,
    microast,
    msgnet,
    munit,
    pix2pixhd,
    pwcnet,
    pytorch_gan,
    raft,
    reconet,
    resnet,
    rrdbnet,
    srvgg,
    superslomo,
    transformnet,
    ugatit,
    unet,
    unit,
    vid2vid,
    vinet,
    whitebox,
)
from rotoscope.networks.description import Signature
from rotoscope.networks.norms import norm_kind

Weights = dict[str, Tensor]


def unchanged(weights: Weights) -> Weights:
    """Return the weights as they are: their names are those of our network."""
    return weights


def always(weights: Mapping[str, Tensor]) -> bool:
    """Accept every file whose keys match the marks."""
    return True


class Architecture(NamedTuple):
    """How to recognise and build one architecture.

    name       for messages; {size} is replaced by that size
    marks      regular expressions; a file fits if each matches one of its keys completely
    network    the module's class, called with the sizes
    sizes      derives the arguments of `network` from the tensors
    signature  of the network; a function if it depends on the sizes
    convert    renames foreign keys to those of our network
    when       a further condition on the tensors
    The keyword arguments of `sizes` and `convert` are the hints that the architecture takes.
    """

    name: str
    marks: tuple[str, ...]
    network: Callable[..., nn.Module]
    sizes: Callable[..., dict[str, Any]]
    signature: Signature | Callable[[Mapping[str, Any]], Signature] = Signature()
    convert: Callable[..., Weights] = unchanged
    when: Callable[[Mapping[str, Tensor]], bool] = always


RGB_255 = Signature(range=(0.0, 255.0))
BGR_255 = Signature(range=(0.0, 255.0), order="BGR")

TWO_PICTURES = ("first", "second")


def vid2vid_signature(sizes: Mapping[str, Any]) -> Signature:
    """Return the signature of vid2vid, with one history for each scale, finest first."""
    histories = (f"history_{scale}" for scale in range(len(sizes["scales"])))
    return Signature(inputs=("labels",), state=(*histories, "begun"))


def is_predictor(weights: Mapping[str, Tensor]) -> bool:
    """Whether a U-Net takes 6 channels, two frames, and makes 3, without batch norm, which pix2pix has by default."""
    shapes = [weights[key].shape for key in ("model.model.0.weight", "model.model.3.weight") if key in weights]
    return [shape[1:2] for shape in shapes] == [(6,), (3,)] and norm_kind(weights, "frame") != "batch_by_frame"


def has_two_levels(weights: Mapping[str, Tensor]) -> bool:
    """Whether there are two levels before the first residual block, as in CycleGAN."""
    return resnet.count_downs(weights) == 2


def has_no_blocks(weights: Mapping[str, Tensor]) -> bool:
    """Whether a generator is numbered layers alone, the first and the last of them convolutions k7."""
    names = (
        re.fullmatch(r"model\.(\d+)\.(weight|bias|running_mean|running_var|num_batches_tracked)", key)
        for key in weights
    )
    layers = [int(name[1]) for name in names if name]
    ends = (weights.get(f"model.{layer}.weight") for layer in (1, max(layers, default=0)))
    return all(map(re.compile(r"model\.\d+\..*").fullmatch, weights)) and all(
        end is not None and end.shape[2:] == (7, 7) for end in ends
    )


def is_feature_encoder(weights: Mapping[str, Tensor]) -> bool:
    """Whether a generator without blocks has the picture as input and the four levels of the encoder."""
    return has_no_blocks(weights) and resnet.count_downs(weights) == 4 and weights["model.1.weight"].shape[1:2] == (3,)


def inpainter_signature(sizes: Mapping[str, Any]) -> Signature:
    """Return the signature of contextual attention: TensorFlow's code reads pictures as BGR, the PyTorch port as RGB."""
    return Signature(("picture", "mask"), order="BGR" if sizes["tensorflow"] else "RGB")


def rrdb_signature(sizes: Mapping[str, Any]) -> Signature:
    """Return the signature of Real-ESRGAN's RRDBNet with its scale."""
    return Signature(range=(0.0, 1.0), scale=2 ** sizes["num_ups"] // sizes["fold"])


def srvgg_signature(sizes: Mapping[str, Any]) -> Signature:
    """Return the signature of Real-ESRGAN's compact upscaler with its scale."""
    return Signature(range=(0.0, 1.0), scale=sizes["scale"])


def whitebox_signature(sizes: Mapping[str, Any]) -> Signature:
    """Return the signature of White-box Cartoonization with the channel order of its dialect."""
    return Signature(order=whitebox.DIALECTS[sizes["dialect"]].order)


def is_compact_upscaler(weights: Mapping[str, Tensor]) -> bool:
    """Whether the last of the numbered layers is a convolution to 3 * scale^2 channels."""
    last = resnet.numbers(weights, r"body\.(\d+)\.weight")[-1]
    return weights[f"body.{last}.weight"].shape[0] in [3 * scale**2 for scale in range(1, 9)]


ARCHITECTURES = (
    Architecture(
        "Super SloMo",
        (r"(state_dictFC|flowComp)\.conv1\.weight", r"(state_dictAT|ArbTimeFlowIntrp)\.conv1\.weight"),
        superslomo.SuperSloMo,
        superslomo.slomo_sizes,
        Signature(("first", "second", "time"), range=(0.0, 1.0)),
        convert=superslomo.convert_slomo,
    ),
    Architecture(
        "contextual attention",
        (
            r"coarse_generator\.conv1\.conv\.weight|inpaint_net/conv1/kernel",
            r"fine_generator\.conv1\.conv\.weight|inpaint_net/xconv1/kernel",
        ),
        contextual_attention.ContextualInpainter,
        contextual_attention.inpainter_sizes,
        inpainter_signature,
        convert=contextual_attention.convert_inpainter,
    ),
    Architecture(
        "vid2vid",
        (r"(netG0\.)?model_down_seg\.1\.weight", r"(netG0\.)?model_final_img\.1\.weight"),
        vid2vid.Vid2Vid,
        vid2vid.vid2vid_sizes,
        vid2vid_signature,
        convert=vid2vid.convert_vid2vid,
    ),
    Architecture(
        "vid2vid label predictor, {num_labels} labels",
        (r"predictor\.model_down_seg\.1\.weight", r"predictor\.model_final_img\.1\.weight"),
        label_predictor.LabelPredictor,
        label_predictor.predictor_sizes,
        Signature(("past",), ("scores",)),
    ),
    Architecture(
        "MUNIT, both domains",
        (r"a\.enc_content\.model\.0\.conv\.weight", r"b\.enc_content\.model\.0\.conv\.weight"),
        munit.MunitPair,
        munit.munit_pair_sizes,
        Signature(("picture", "style")),
    ),
    Architecture(
        "MUNIT",
        (r"enc_content\.model\.0\.conv\.weight", r"mlp\.model\.0\.fc\.weight"),
        munit.MunitGenerator,
        munit.munit_sizes,
        Signature(("picture", "style")),
    ),
    Architecture(
        "UNIT, both domains",
        (r"a\.enc\.model\.0\.conv\.weight", r"b\.dec\.model\.0\.model\.0\.model\.0\.conv\.weight"),
        unit.UnitPair,
        unit.unit_pair_sizes,
    ),
    Architecture(
        "UNIT",
        (r"enc\.model\.0\.conv\.weight", r"dec\.model\.0\.model\.0\.model\.0\.conv\.weight"),
        unit.UnitGenerator,
        unit.unit_sizes,
    ),
    Architecture(
        "PWC-Net",
        (
            r"(netExtractor\.netOne\.0|moduleExtractor\.moduleOne\.0|conv1a\.0)\.weight",
            r"(netRefiner\.netMain\.0|moduleRefiner\.moduleMain\.0|dc_conv1\.0)\.weight",
        ),
        pwcnet.PWCNet,
        pwcnet.pwc_sizes,
        Signature(TWO_PICTURES, ("flow",), range=(0.0, 1.0), order="BGR"),
        convert=pwcnet.convert_pwc,
    ),
    Architecture(
        "RAFT-small",
        (r"fnet\.layer1\.0\.conv3\.weight", r"update_block\.gru\.convz\.weight"),
        raft.RaftSmall,
        raft.raft_sizes,
        Signature(TWO_PICTURES, ("flow",), range=(0.0, 255.0)),
    ),
    Architecture(
        "VINet",
        (r"convlstm\.Gates\.weight", r"encoder1\.ec0\.conv\.weight"),
        vinet.VINet,
        vinet.vinet_sizes,
        Signature(("window", "masks"), state=("previous_picture", "previous_mask", "begun"), order="BGR"),
    ),
    Architecture(
        "TransformNet (blind video consistency)",
        (r"convlstm\.Gates\.weight", r"conv1a\.conv2d\.weight"),
        transformnet.TransformNet,
        transformnet.transform_net_sizes,
        Signature(
            inputs=("source", "processed"),
            state=("previous_source", "previous_output", "hidden", "cell", "begun"),
            range=(0.0, 1.0),
        ),
    ),
    Architecture(
        "ReCoNet",
        (r"conv1\.instance\.weight", r"res1\.conv1\.conv2d\.weight", r"deconv3\.conv2d\.weight"),
        reconet.ReCoNet,
        reconet.reconet_sizes,
        RGB_255,
    ),
    Architecture(
        "ReCoNet with {num_blocks} blocks",
        (r"encoder\.layers\.0\.layers\.0\.layers\.1\.weight", r"decoder\.layers\.4\.layers\.0\.layers\.1\.weight"),
        reconet.SteadyReCoNet,
        reconet.steady_reconet_sizes,
    ),
    Architecture(
        "Real-ESRGAN RRDBNet, {num_blocks} blocks",
        (
            r"conv_first\.weight|model\.0\.weight",
            r"(body|RRDB_trunk)\.0\.(rdb1|RDB1)\.conv1\.weight|model\.1\.sub\.0\.RDB1\.conv1\.0\.weight",
        ),
        rrdbnet.RRDBNet,
        rrdbnet.rrdb_sizes,
        rrdb_signature,
        convert=rrdbnet.convert_rrdb,
    ),
    Architecture(
        "Real-ESRGAN SRVGGNetCompact, {num_convs} convolutions",
        (r"body\.0\.weight", r"body\.2\.weight", r"body\.4\.weight"),
        srvgg.CompactUpscaler,
        srvgg.srvgg_sizes,
        srvgg_signature,
        when=is_compact_upscaler,
    ),
    Architecture(
        "White-box Cartoonization ({dialect})",
        (
            r"(generator\.)?Conv\.weight|generator/Conv/weights|initial_down\.0\.weight",
            r"(generator\.)?Conv_9\.weight|generator/Conv_9/weights|last\.2\.weight",
            r"(generator\.)?block_0\.conv1\.weight|generator/block_0/conv1/weights|res_blocks\.0\.block\.0\.weight",
        ),
        whitebox.WhiteboxGenerator,
        whitebox.whitebox_sizes,
        whitebox_signature,
        convert=whitebox.convert_whitebox,
    ),
    Architecture(
        "U-GAT-IT, {num_blocks} blocks",
        (r"DownBlock\.1\.weight", r"UpBlock1_1\.conv1\.weight", r"gmp_fc\.weight"),
        ugatit.UgatitGenerator,
        ugatit.ugatit_sizes,
    ),
    Architecture(
        "PyTorch-GAN ResNet-{num_blocks}",
        (r"model\.1\.weight", r"model\.10\.block\.1\.weight"),
        pytorch_gan.ResampledResnet,
        pytorch_gan.resampled_resnet_sizes,
    ),
    Architecture(
        "PyTorch-GAN U-Net",
        (r"down1\.model\.0\.weight", r"down8\.model\.0\.weight", r"final\.2\.weight"),
        pytorch_gan.PlainUnet,
        pytorch_gan.plain_unet_sizes,
    ),
    Architecture(
        "fast style transfer",
        (r"res1\.conv1\.conv2d\.weight", r"in1\.weight"),
        fast_style.TransformerNet,
        fast_style.transformer_net_sizes,
        RGB_255,
    ),
    Architecture(
        "fast style transfer by transposed convolutions, {blocks}",
        (r"ConvBlock\.0\.conv_layer\.weight", r"DeconvBlock\.0\.conv_transpose\.weight"),
        fast_style_deconv.DeconvTransformerNet,
        fast_style_deconv.deconv_transformer_sizes,
        BGR_255,
    ),
    Architecture(
        "MSG-Net",
        (r"model\.1\.weight", r"model\.0\.0\.conv2d\.weight", r"model\.2\.conv_block\.2\.weight"),
        msgnet.MsgNet,
        msgnet.msgnet_sizes,
        Signature(("picture", "example"), range=(0.0, 255.0), order="BGR"),
        convert=msgnet.convert_msgnet,
    ),
    Architecture(
        "AdaIN",
        (r"(netG[01]|encoder|vgg)\.29\.weight", r"(netG[01]|decoder)\.28\.weight"),
        adain.AdaIN,
        adain.adain_sizes,
        Signature(("picture", "example"), range=(0.0, 1.0)),
        convert=adain.convert_adain,
    ),
    Architecture(
        "MicroAST",
        (r"(netG\d|content_encoder)\.enc1\.0\.conv_layer\.weight",),
        microast.MicroAst,
        microast.microast_sizes,
        Signature(("picture", "example"), range=(0.0, 1.0)),
        convert=microast.convert_microast,
    ),
    Architecture(
        "CartoonGAN",
        (r"conv01_1\.weight", r"in13_1\.(weight|scale)"),
        cartoongan.CartoonGenerator,
        cartoongan.cartoon_sizes,
        Signature(order="BGR"),
        convert=cartoongan.convert_cartoon,
    ),
    Architecture(
        "AnimeGANv2",
        (r"block_a\.0\.1\.weight", r"out_layer\.0\.weight"),
        animegan.AnimeGenerator,
        animegan.anime_sizes,
    ),
    Architecture(
        "CUT ResNet-{num_blocks}",
        (r"model\.\d+\.filt", r"model\.1\.weight", r"model\.\d+\.conv_block\.1\.weight"),
        cut.CutGenerator,
        cut.cut_sizes,
    ),
    Architecture(
        "Recycle-GAN predictor (prediction)",
        (r"model1\.1\.weight", r"model3\.0\.weight", r"model\.model\.model\.0\.weight"),
        unet.ViewsPredictor,
        unet.views_sizes,
        Signature(inputs=("older", "newer")),
    ),
    Architecture(
        "Recycle-GAN predictor U-Net, {num_downs} levels",
        (r"model\.model\.0\.weight", r"model\.model\.3\.weight"),
        unet.UnetGenerator,
        unet.unet_sizes,
        Signature(inputs=("frames",)),
        when=is_predictor,
    ),
    Architecture(
        "pix2pix U-Net, {num_downs} levels",
        (r"model\.model\.0\.weight", r"model\.model\.3\.weight"),
        unet.UnetGenerator,
        unet.unet_sizes,
    ),
    Architecture(
        "pix2pixHD local enhancer",
        (r"model1_1\.1\.weight", r"model\.1\.weight"),
        pix2pixhd.LocalEnhancer,
        pix2pixhd.enhancer_sizes,
    ),
    Architecture(
        "pix2pixHD generator with features",
        (r"model_downsample\.1\.weight", r"model_upsample_conv\.1\.weight"),
        pix2pixhd.FeatureGenerator,
        pix2pixhd.feature_generator_sizes,
        Signature(("labels", "features")),
    ),
    Architecture(
        "CycleGAN ResNet-{num_blocks}",
        (r"model\.1\.weight", r"model\.10\.conv_block\.[01]\.weight"),
        resnet.ResnetGenerator,
        resnet.resnet_sizes,
        when=has_two_levels,
    ),
    Architecture(
        "pix2pixHD global generator, {num_blocks} blocks",
        (r"model\.1\.weight", r"model\.\d+\.conv_block\.[01]\.weight"),
        resnet.ResnetGenerator,
        resnet.resnet_sizes,
    ),
    Architecture(
        "pix2pixHD feature encoder",
        (r"model\.1\.weight", r"model\.4\.weight", r"model\.16\.weight"),
        pix2pixhd.FeatureEncoder,
        pix2pixhd.feature_encoder_sizes,
        Signature(("picture", "instances"), ("features",)),
        when=is_feature_encoder,
    ),
    Architecture(
        "pix2pixHD global generator, {num_blocks} blocks",
        (r"model\.1\.weight", r"model\.4\.weight", r"model\.7\.weight"),
        resnet.ResnetGenerator,
        resnet.resnet_sizes,
        when=has_no_blocks,
    ),
    Architecture(
        "DualGAN",
        (r"([AB]_g_)?e1_conv(/w|\.weight)", r"([AB]_g_)?d8(/w|\.weight)"),
        dualgan.DualGenerator,
        dualgan.dual_sizes,
        Signature(order="BGR"),
        convert=dualgan.convert_dual,
    ),
    Architecture(
        "any look",
        (r"encoder\.convs\.0\.weight", r"student\.down1\.weight", r"student\.blocks\.0\.norm1\.affine\.weight"),
        any_look.AnyLook,
        any_look.any_look_sizes,
        Signature(("picture", "style")),
    ),
    Architecture(
        "compact student",
        (r"down1\.weight", r"blocks\.0\.conv1\.weight", r"up2\.weight"),
        compact.CompactGenerator,
        compact.compact_sizes,
    ),
)
