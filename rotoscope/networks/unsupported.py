"""Files that are often given and are no network that can run here: what each is, and the road that works instead."""

from typing import NamedTuple

BY_OWN_CODE = "export it to ONNX with the code it came from, which runs here"
MANY_STEPS = "it draws a picture in many steps, far from real time, and cannot be exported; give a feed-forward network"
GENERATOR = "give the generator's file, *_net_G*.pth"


class Unsupported(NamedTuple):
    """How to recognise one kind of file.

    marks    regular expressions; a file is of this kind if each matches one of its names completely
    what     what it is, for messages
    instead  what to do
    """

    marks: tuple[str, ...]
    what: str
    instead: str


UNSUPPORTED = (
    Unsupported((r".*\.conv_block\.1\.conv\.0\.weight",), "a gan-compression student", BY_OWN_CODE),
    Unsupported(
        (r"stem\.weight", r"head\.weight", r"(narrow|expand)\.1\.weight"),
        "an earlier compact student of Rotoscope",
        "train again, or export it to ONNX with the version that trained it",
    ),
    Unsupported((r"model\.0\.weight", r"model\.11\.weight"), "a PatchGAN discriminator", GENERATOR),
    Unsupported((r"net\.0\.weight", r"net\.5\.weight"), "a pixel discriminator", GENERATOR),
    Unsupported((r"([ab]\.)?cnns\.0\.0\.conv\.weight",), "a MUNIT discriminator (dis_*.pt)", "give gen_*.pt"),
    Unsupported((r"scale0_layer0\.0\.weight|layer0\.0\.weight",), "a vid2vid discriminator", "give latest_net_G0.pth"),
    Unsupported((r"mlp_0\.0\.weight",), "CUT's patch networks (latest_net_F.pth)", "give latest_net_G.pth"),
    Unsupported((r"update_block\.mask\.0\.weight",), "RAFT's large network", "give raft-small.pth"),
    Unsupported((r"feature_encoder\.convnormrelu\.0\.weight",), "torchvision's RAFT", "give raft-small.pth"),
    Unsupported((r"flownetc\..*",), "FlowNet2", "give RAFT-small or PWC-Net for flow"),
    Unsupported(
        (r"(.*\.)?(lora_(up|down|A|B)|lora\.(up|down))(\..*)?weight",), "a LoRA of a diffusion model", MANY_STEPS
    ),
    Unsupported((r"model\.diffusion_model\..*|diffusion_model\..*",), "a diffusion model", MANY_STEPS),
    Unsupported((r"down_blocks\.0\.resnets\.0\..*", r"mid_block\..*"), "a diffusion model", MANY_STEPS),
    Unsupported((r"input_blocks\.0\.0\.weight", r"middle_block\..*"), "a diffusion model", MANY_STEPS),
    Unsupported((r"state_dict_(unet|vae)\..*",), "a one-step diffusion model (img2img-turbo)", MANY_STEPS),
    Unsupported(
        (r"main\.0\.weight", r"main\.3\.weight", r"main\.\d+\.main\.0\.weight"),
        "StarGAN's generator, which takes a class beside the picture",
        "export it to ONNX with its own code and with the class as a constant inside",
    ),
    Unsupported(
        (r"from_rgb\.weight", r"(encode|decode)\.\d+\.conv1\.weight"),
        "StarGAN v2's generator, which takes a style beside the picture",
        "export it to ONNX with its own code and with the style as a constant inside",
    ),
    Unsupported(
        (r"head_0\.conv_0\.weight", r".*\.mlp_shared\.0\.weight"),
        "SPADE's generator (GauGAN), which draws label maps",
        BY_OWN_CODE,
    ),
    Unsupported((r".*\.convl2l\.weight", r".*\.convl2g\.weight|.*\.convg2l\.weight"), "LaMa", BY_OWN_CODE),
    Unsupported(
        (r"UpBlock1_1\..*", r"UpBlock2\..*"), "NICE-GAN's generator, whose encoder is its discriminator", BY_OWN_CODE
    ),
    Unsupported((r"(flownet\.)?block0\.conv0\.0\.0\.weight",), "RIFE", "give Super SloMo, or " + BY_OWN_CODE),
    Unsupported(
        (r"synthesis\.b4\..*|.*\.modulation\.weight",), "StyleGAN, which draws from noise", "give a translator"
    ),
    Unsupported(
        (r"1\.weight", r"5\.weight", r"8\.weight", r"28\.weight"),
        "AdaIN's decoder, which runs behind its encoder",
        "give both files: rotoscope export decoder.pth vgg_normalised.pth OUT.onnx",
    ),
    Unsupported(
        (r"0\.weight", r"2\.weight", r"5\.weight", r"29\.weight"),
        "VGG-19, the encoder of AdaIN",
        "give both files: rotoscope export decoder.pth vgg_normalised.pth OUT.onnx",
    ),
    Unsupported(
        (r"(enc1\.0|dec1\.conv1|weight1\.0)\.conv_layer\.weight",),
        "one of MicroAST's four files",
        "give all of them: rotoscope export CONTENT_ENCODER STYLE_ENCODER MODULATOR DECODER OUT.onnx",
    ),
    Unsupported((r"layers\.0\.residual_group\..*",), "SwinIR", BY_OWN_CODE),
)
