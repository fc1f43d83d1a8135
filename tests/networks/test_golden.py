"""Golden vectors of all networks and of the operators they use, through the public functions."""

from pathlib import Path

import pytest
import torch
from golden import read_vector, tolerance

from rotoscope.networks import (
    contextual_attention,
    from_state_dict,
    i3d,
    label_maps,
    lpips,
    munit_layers,
    pwcnet,
    shared_norm,
    warps,
)

GOLDEN = Path(__file__).parents[3] / "shared" / "reference" / "golden"


def picture(vector, name="x"):
    """Return the network input, which is stored directly or as an 8-bit picture."""
    return vector.inputs[name] if name in vector.inputs else vector.inputs[f"{name}_u8"] / 127.5 - 1


def generator(vector, **hints):
    return {"y": from_state_dict(vector.weights, **hints).network(picture(vector))}


def both_statistics(vector, running, frame):
    return {
        running: generator(vector, statistics="running")["y"],
        frame: generator(vector)["y"],
    }


def views_predictor(vector):
    return {"y": from_state_dict(vector.weights).network(vector.inputs["x0"], vector.inputs["x1"])}


def pwc_net(vector):
    network = from_state_dict(vector.weights).network
    one, two = vector.inputs["one"], vector.inputs["two"]
    return {"flow_quarter": network.quarter_flow(one, two), "flow": network(one, two)}


def super_slomo(vector):
    network = from_state_dict(vector.networks).network
    first, second = vector.inputs["I0"], vector.inputs["I1"]
    forward, backward = network.flows(first, second)
    found = {"F_0_1": forward, "F_1_0": backward}
    for time in (0.25, 0.5, 0.75):
        frame, to_first, to_second, visibility = network.at(torch.tensor(time), first, second, forward, backward)
        names = (f"t{time}_{name}" for name in ("frame", "F_t_0", "F_t_1", "V_t_0"))
        found |= dict(zip(names, (frame, to_first, to_second, visibility), strict=True))
    return found


def transform_net(vector):
    network = from_state_dict(vector.weights).network
    sources, processed = vector.inputs["I"].split(1), vector.inputs["P"].split(1)
    state = network.initial_state(sources[0])
    found = {}
    for index, (source, frame) in enumerate(zip(sources, processed, strict=True)):
        output, state = network(source, frame, state)
        found |= {f"t{index}_out": output, f"t{index}_residual": output - frame}
    assert torch.equal(found.pop("t0_out"), processed[0])
    del found["t0_residual"]
    return found | {"h_last": state[2], "c_last": state[3]}


def munit_generator(vector):
    network = from_state_dict(vector.weights).network
    x = vector.inputs["x"]
    content, style = network.encode_content(x), network.encode_style(x)
    return {
        "content": content,
        "style": style,
        "y": network(x, vector.inputs["style"]),
        "y_recon": network.decode(content, style),
    }


def munit_layer_norm(vector):
    layer = munit_layers.LayerNorm(5)
    layer.load_state_dict({"gamma": vector.inputs["gamma"], "beta": vector.inputs["beta"]})
    return {"y": layer(vector.inputs["x"]), "y_b3": layer(vector.inputs["x_b3"])}


def vid2vid_scale(vector, **hints):
    network = from_state_dict(vector.weights, **hints).network.netG0
    labels, history, mask = (vector.inputs[name] for name in ("labels", "prev0", "mask"))
    found = {}
    for time in range(len(labels) - 2):
        made = network(labels[time : time + 3].flatten(0, 1)[None], history, mask)
        names = (f"t{time}_{name}" for name in ("final", "flow", "weight", "raw"))
        found |= dict(zip(names, made[:4], strict=True))
        history = torch.cat([history[:, 3:], made.picture], dim=1)
    return found | {"raw_only_final": found["t0_raw"]}


def vid2vid_video(vector):
    network = from_state_dict(vector.networks).network
    labels, instances = vector.inputs["labels"], vector.inputs["instances"]
    state = network.initial_state(vector.inputs["first_frames"].flatten(0, 1)[None])
    found = {}
    for time in range(len(labels) - 2):
        window = label_maps.encode_labels(labels[None, time : time + 3], 4, instances[None, time : time + 3])
        found[f"t{time}_fake"], state = network(window, state)
        if time == 0:
            found["t0_encoded_last_frame"] = window[0, -5:]
    full, halved, _ = state
    return found | {
        "state_prev_scale0": full.unflatten(1, (2, 3))[0],
        "state_prev_scale1": halved.unflatten(1, (2, 3))[0],
    }


def inpainter(vector):
    picture, mask = vector.inputs["x"], vector.inputs["mask"].float()
    found = {}
    for dialect in ("port", "tf"):
        network = from_state_dict(vector.weights, tensorflow=dialect == "tf").network
        found[f"stage1_{dialect}"], found[f"stage2_{dialect}"] = network.stages(picture, mask)
        found[f"composite_{dialect}"] = network(picture, mask)
    return found


def attention(vector):
    features = [vector.inputs[name].float() for name in ("f", "b", "mask")]
    return {
        "y_port": contextual_attention.contextual_attention(*features, tensorflow=False),
        "y_tf": contextual_attention.contextual_attention(*features, tensorflow=True),
    }


def shared_instance_norm(vector):
    network = shared_norm.share_statistics(torch.nn.Sequential(torch.nn.InstanceNorm2d(5)))
    state = network.calibrate(vector.inputs["reference"])
    normalised, left = network(vector.inputs["frame"], state)
    assert torch.equal(left, state)
    named = dict(zip(("mean", "rstd", "min", "max"), state.view(4, 1, -1, 1, 1), strict=True))
    return named | {"y": normalised}


def video_inpainter(vector):
    network = from_state_dict(vector.weights, size=256).network
    frames, masks = (vector.inputs[name].float().transpose(1, 2) for name in ("frames", "mask"))
    state = network.initial_state(frames)
    first, state = network(frames[:, :5], masks[:, :5], state)
    second = network.fill(frames[:, 1:6], masks[:, 1:6], state)
    return {
        "y0": first[:, :, None],
        "y1": second.picture[:, :, None],
        "flow_prev_y1": second.previous_flow,
        "occ_y1": torch.stack(second.masks, dim=2),
    }


def lpips_head(vector):
    first, second, weights = (
        [vector.inputs[name.format(layer)] for layer in range(3)] for name in ("feat0_l{}", "feat1_l{}", "lin{}")
    )
    return {
        "distance": lpips.feature_distance(first, second, weights),
        "scaled_image": lpips.scale_picture(vector.inputs["image"]),
    }


def video_head(vector):
    first, second = ([vector.inputs[f"feat{which}_l{layer}"] for layer in range(2)] for which in (0, 1))
    return {"distance": i3d.video_distance(first, second)}


def superslomo_warp(vector):
    image, flow = vector.inputs["image"], vector.inputs["flow"]
    return {
        "y_align_corners_true": warps.warp_scaled(image, flow),
        "identity_align_corners_true": warps.warp_scaled(image, torch.zeros_like(flow)),
    }


VECTORS = {
    "metric_lpips_head": lpips_head,
    "metric_pvcs_head": video_head,
    "vinet_256style_recipe": video_inpainter,
    "ctxattn_generator": inpainter,
    "op_contextual_attention": attention,
    "op_shared_instance_norm": shared_instance_norm,
    "vid2vid_composite_bn": vid2vid_scale,
    "vid2vid_composite_fg_in": lambda vector: vid2vid_scale(vector, foreground=(1,)),
    "vid2vid_infer_2scale": vid2vid_video,
    "munit_adain_tiny": munit_generator,
    "op_munit_layernorm": munit_layer_norm,
    "op_pwc_backwarp": lambda vector: {"y": pwcnet.backwarp(vector.inputs["image"], vector.inputs["flow"])},
    "op_pwc_correlation": lambda vector: {"volume": warps.cost_volume(vector.inputs["one"], vector.inputs["two"])},
    "op_resample2d": lambda vector: {"y": warps.warp_border(vector.inputs["image"], vector.inputs["flow"])},
    "op_superslomo_backwarp": superslomo_warp,
    "op_vid2vid_resample": lambda vector: {
        "y_align_corners_true": warps.warp_border(vector.inputs["image"], vector.inputs["flow"])
    },
    "pwcnet_recipe": pwc_net,
    "superslomo_recipe": super_slomo,
    "vcons_transformnet_bn": transform_net,
    "vcons_transformnet_in": transform_net,
    "animegan2_recipe": generator,
    "animegan2_scale_recipe": lambda vector: generator(vector, align_corners=False),
    "cut_resnet4_noantialias_up": generator,
    "cut_resnet9_antialias": generator,
    "cyclegan_resnet2_bn": lambda vector: both_statistics(vector, "y_eval", "y_train"),
    "cyclegan_resnet6_in": generator,
    "cyclegan_resnet6_in_dropout": generator,
    "fst_transformer_oddsize_recipe": generator,
    "fst_transformer_recipe": generator,
    "pix2pix_unet256_bn": lambda vector: both_statistics(vector, "y_eval", "y_train"),
    "recycle_pred_nviews_recipe": views_predictor,
    "recycle_pred_unet128_in": generator,
    "vid2vid_global_in": lambda vector: both_statistics(vector, "y_eval", "y"),
}

# Changes to the generated weights of a vector, from its note: (network, keys, factor).
SCALED = {
    "vinet_256style_recipe": [
        ("net", r"flownet(_\d+)?\.flow_estimator\.conv1\.weight", 0.5),
        ("net", r"(encoder[12]|bottleneck|decoder|st_agg(_64|_128)?)\..*", 2.4),
    ],
    "pwcnet_recipe": [("net", r"net(Two|Thr|Fou|Fiv|Six)\.netSix\.0\.weight", 0.2)],
    "superslomo_recipe": [
        ("flowComp", r"conv3\.weight", 40),
        ("flowComp", r"conv3\.bias", 10),
        ("ArbTimeFlowIntrp", r"conv3\.weight", 15),
    ],
    "fst_transformer_oddsize_recipe": [("net", r"deconv3\.conv2d\.weight", 100)],
    "fst_transformer_recipe": [("net", r"deconv3\.conv2d\.weight", 100)],
}

ELSEWHERE = {
    "cyclegan_train_losses": "losses belong to training",
    "loss_vcons_temporal": "losses belong to training",
    "loss_vid2vid_flow": "losses belong to training",
    "op_fst_gram": "losses belong to training",
    "op_synthetic_flow_warp": "synthetic flow belongs to training",
    "munit_msdis": "discriminators belong to training",
    "patchgan_n3_bn_cond": "discriminators belong to training",
    "patchgan_n3_in": "discriminators belong to training",
    "pixelgan_in": "discriminators belong to training",
    "vid2vid_multiscale_d": "discriminators belong to training",
    "op_aggregate_mean_median": "an operation of rotoscope/kernels",
    "op_masked_interpolation": "an operation of rotoscope/kernels",
    "metric_frechet": "rotoscope/metrics",
    "metric_frechet_singular": "rotoscope/metrics",
    "metric_occlusion_warperror": "rotoscope/metrics",
    "metric_patch_consistency": "rotoscope/metrics",
    "metric_ssim_psnr": "rotoscope/metrics",
    "schedules": "learning rates belong to training",
}


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_golden_vector(name, shared):
    vector = read_vector(shared / "reference" / "golden", name, SCALED.get(name, ()))
    with torch.inference_mode():
        results = VECTORS[name](vector)
    assert set(results) == {output for output in vector.outputs if not output.endswith("align_corners_false")}
    for output, result in results.items():
        absolute, relative = tolerance(vector.facts["tolerance"], output)
        torch.testing.assert_close(
            result,
            vector.outputs[output].float(),
            atol=absolute,
            rtol=relative,
            msg=lambda text, at=output: f"{at}: {text}",
        )


def test_every_golden_vector_is_tested_here_or_elsewhere(shared):
    present = {file.stem for file in (shared / "reference" / "golden").glob("*.json")}
    assert present == set(VECTORS) | set(ELSEWHERE)
    assert not set(VECTORS) & set(ELSEWHERE)
