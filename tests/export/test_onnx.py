"""Networks as ONNX files: the same numbers on ONNX Runtime at odd sizes and batches, and files that describe themselves."""

import logging

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny_clips
import torch
from catalogue import build, named, traced_cases

import rotoscope
from rotoscope.base.errors import ModelRefused, UsageError
from rotoscope.base.frame import Picture
from rotoscope.base.manifest import FrameInput, FrameOutput, LabelMap, Manifest, StateTensor, Window
from rotoscope.export.adapters import Flat
from rotoscope.export.graph import Graph, as_graph
from rotoscope.export.onnx import export_onnx, least_side, run, write_onnx
from rotoscope.export.options import ExportOptions
from rotoscope.export.precision import to_int8
from rotoscope.networks import from_state_dict, resnet, unet
from rotoscope.runtime.engines.onnxruntime import OnnxRuntimeEngine
from rotoscope.runtime.models.golden import golden_difference, golden_inputs
from rotoscope.runtime.models.model_file import open_model

BOUND = 1e-3  # of outputs that span 2: the bound between two forms of one network in fp32


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def call(runner, inputs, state):
    names = [output.name for output in runner.get_outputs()]
    return dict(zip(names, runner.run(names, inputs | state), strict=True))


def doubled(arrays, others, fixed=()):
    """Both along the batch."""
    return {name: array if name in fixed else np.concatenate([array, others[name]]) for name, array in arrays.items()}


def assert_same(made, expected):
    assert list(made) == list(expected)
    for name, value in expected.items():
        span = max(2.0, float(np.ptp(value)))
        np.testing.assert_allclose(made[name], value, rtol=0, atol=BOUND * span / 2, err_msg=name)


@pytest.mark.parametrize("case", traced_cases())
def test_onnx_runtime_gives_what_torch_gives_at_other_sizes_and_batches(case, exported):
    path, manifest, loaded = exported(case)
    runner, graph = session(path), as_graph(loaded, ExportOptions(name=str(case)))
    multiple, least = manifest.frame.multiple, manifest.frame.minimum
    cells = -(-least // multiple)
    height, width = (cells + 1) * multiple, (2 * cells + 1) * multiple  # a number of cells that is odd where it can be
    one, other = (golden_inputs(manifest, seed=seed, height=height, width=width) for seed in (1, 2))
    with_one = call(runner, *one)
    assert_same(with_one, run(graph, *one))
    pair = [doubled(ones, others) for ones, others in zip(one, other, strict=True)]
    of_two = call(runner, *pair)
    for name, value in with_one.items():
        span = max(2.0, float(np.ptp(value)))
        np.testing.assert_allclose(of_two[name][:1], value, rtol=0, atol=BOUND * span / 2, err_msg=name)


@pytest.mark.parametrize("case", traced_cases())
def test_a_file_proves_that_an_engine_runs_its_network(case, exported):
    path, manifest, _ = exported(case)
    model = open_model(path)
    assert model.manifest == manifest
    assert not model.inferred
    assert golden_difference(manifest, OnnxRuntimeEngine(path)) <= manifest.golden.tolerance


def test_a_golden_check_notices_other_weights(exported, tmp_path):
    path, manifest, _ = exported(named("compact student"))
    proto = onnx.load(path)
    weights = max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    changed = onnx.numpy_helper.to_array(weights) * np.float32(1.05)
    weights.CopyFrom(onnx.numpy_helper.from_array(changed, weights.name))
    onnx.save(proto, tmp_path / "changed.onnx")
    assert golden_difference(manifest, OnnxRuntimeEngine(tmp_path / "changed.onnx")) > manifest.golden.tolerance


def test_no_file_names_a_path_of_the_machine_that_wrote_it(exported):
    for name in ("CycleGAN ResNet-6", "vid2vid of street scenes"):
        assert b"/rotoscope/" not in exported(named(name))[0].read_bytes()


# What a file says of itself


def test_a_vid2vid_file_describes_its_maps_and_its_history():
    case = named("vid2vid, three scales with foreground")
    manifest = as_graph(from_state_dict(build(case).state_dict(), **case.hints), ExportOptions(name="net")).manifest
    assert manifest.frame == FrameInput(
        tensor="labels", dtype="int32", padding="edge", multiple=16, labels=LabelMap(num=4),
        window=Window(offsets=(-2, -1, 0)),
    )  # fmt: skip
    assert manifest.output == FrameOutput(tensor="picture", range=(-1, 1))
    assert [(tensor.input, tensor.shape) for tensor in manifest.state] == [
        ("history_0", ("N", 6, "H", "W")),
        ("history_1", ("N", 6, "H/2", "W/2")),
        ("history_2", ("N", 6, "H/4", "W/4")),
        ("begun", ("N", 1, 1, 1)),
    ]


@pytest.mark.parametrize(("name", "kind", "inputs"), [
    ("CycleGAN ResNet-6", "translate", ("frame",)),
    ("Recycle-GAN predictor U-Net, 5 levels", "translate", ("frame",)),
    ("Recycle-GAN predictor (prediction)", "translate", ("frame",)),
    ("MUNIT", "translate", ("frame", "style")),
    ("contextual attention", "translate", ("frame", "mask")),
    ("VINet", "translate", ("frame", "mask")),
    ("pix2pixHD generator with features", "translate", ("labels", "features")),
    ("pix2pixHD feature encoder", "encode", ("frame", "instances")),
    ("TransformNet (blind video consistency)", "stabilise", ("frame", "translated")),
    ("Super SloMo", "interpolate", ("frame", "second", "time")),
    ("RAFT-small", "flow", ("frame", "second")),
])  # fmt: skip
def test_every_kind_of_network_has_inputs_that_a_runtime_can_feed(name, kind, inputs):
    case = named(name)
    manifest = as_graph(from_state_dict(build(case).state_dict(), **case.hints), ExportOptions(name="net")).manifest
    assert (manifest.kind, manifest.inputs) == (kind, inputs)


def test_the_state_of_a_stabiliser_is_declared():
    case = named("TransformNet (blind video consistency)")
    manifest = as_graph(from_state_dict(build(case).state_dict()), ExportOptions(name="net")).manifest
    assert manifest.state[2] == StateTensor(input="hidden", output="hidden_out", shape=("N", 16, "H/4", "W/4"))


# Inputs that are encoded inside the graph


def labelled(channels, **options):
    """A generator on that many channels, and its graph on label maps."""
    torch.manual_seed(0)
    network = resnet.ResnetGenerator(channels, width=2, num_blocks=2, num_downs=3)
    return network.eval(), as_graph(from_state_dict(network.state_dict()), ExportOptions(name="net", **options))


def numbers(count, shape=(1, 1, 32, 48), seed=0):
    return np.random.default_rng(seed).integers(0, count, shape, dtype=np.int32)


def one_hot(ids, count):
    return torch.from_numpy((ids == np.arange(count).reshape(1, count, 1, 1)).astype(np.float32))


def test_label_maps_become_one_hot_channels_inside_the_graph():
    network, graph = labelled(5)
    ids = numbers(5)
    assert graph.manifest.frame.labels == LabelMap(num=5)
    made = run(graph, {"labels": ids}, {})["picture"]
    torch.testing.assert_close(torch.from_numpy(made), network(one_hot(ids, 5)))


def test_colours_are_taken_for_the_nearest_class_of_the_palette():
    palette = ((0, 0, 0), (128, 64, 128), (70, 70, 70), (0, 0, 142), (220, 20, 60))
    network, graph = labelled(5, labels=5, palette=tuple("{:02x}{:02x}{:02x}".format(*colour) for colour in palette))
    ids = numbers(5)
    noisy = np.array(palette, np.float32)[ids[0, 0]] + np.random.default_rng(1).uniform(-9, 9, (32, 48, 3))
    colours = np.ascontiguousarray(np.moveaxis(noisy, 2, 0)[None], np.float32)
    made = run(graph, {"labels": colours}, {})["picture"]
    torch.testing.assert_close(torch.from_numpy(made), network(one_hot(ids, 5)))


def test_edges_of_instances_follow_the_classes():
    network, graph = labelled(6, labels=5, edges=True)
    ids, instances = numbers(5), np.zeros((1, 1, 32, 48), np.int32)
    instances[..., 24:] = 7
    edges = torch.zeros(1, 1, 32, 48)
    edges[..., 23:25] = 1  # both sides of the border
    made = run(graph, {"labels": ids, "instances": instances}, {})["picture"]
    torch.testing.assert_close(torch.from_numpy(made), network(torch.cat([one_hot(ids, 5), edges], dim=1)))


def test_thirty_six_channels_are_those_of_cityscapes():
    manifest = labelled(36)[1].manifest
    assert manifest.frame.labels.num == 35
    assert manifest.instances is not None


def test_a_wrong_number_of_labels_is_refused_with_the_right_one():
    with pytest.raises(UsageError, match="7 labels without edges: this network has 5 channels"):
        labelled(5, labels=7)
    with pytest.raises(UsageError, match="takes no label maps"):
        labelled(3, labels=3)


def test_grey_networks_take_and_give_colour_pictures():
    torch.manual_seed(0)
    network = resnet.ResnetGenerator(1, 1, width=2, num_blocks=2).eval()
    graph = as_graph(from_state_dict(network.state_dict()), ExportOptions(name="net"))
    grey = np.random.default_rng(0).random((1, 1, 32, 48), np.float32)
    made = run(graph, {"frame": np.repeat(grey, 3, axis=1)}, {})["picture"]
    torch.testing.assert_close(torch.from_numpy(made), network(torch.from_numpy(grey)).expand(-1, 3, -1, -1))


def test_neighbouring_frames_are_stacked_older_first():
    torch.manual_seed(0)
    network = unet.UnetGenerator(6, width=2, num_downs=5, norm="instance", bias=True).eval()
    graph = as_graph(from_state_dict(network.state_dict()), ExportOptions(name="net"))
    assert graph.manifest.frame.window == Window(offsets=(-1, 0))
    frames = np.random.default_rng(0).random((1, 2, 3, 64, 64), np.float32)
    made = run(graph, {"frame": frames}, {})["picture"]
    torch.testing.assert_close(torch.from_numpy(made), network(torch.from_numpy(frames.reshape(1, 6, 64, 64))))


# Choices at export


def test_pictures_may_be_eight_bit_from_end_to_end(exported):
    case = named("CartoonGAN")  # blue first, [-1,1]
    path, manifest, loaded = exported(case, eight_bit=True)
    assert (manifest.frame.dtype, manifest.frame.layout, manifest.frame.order) == ("uint8", "NHWC", "RGB")
    picture = np.random.default_rng(0).integers(0, 256, (1, 40, 56, 3), dtype=np.uint8)
    made = call(session(path), {"frame": picture}, {})["picture"]
    blue_first = np.ascontiguousarray(np.moveaxis(picture[..., ::-1], 3, 1), np.float32) / 127.5 - 1
    expected = loaded.network(torch.from_numpy(blue_first)).numpy()
    expected = np.moveaxis((expected + 1) * 127.5, 1, 3)[..., ::-1].clip(0, 255)
    assert made.dtype == np.uint8
    assert np.abs(made - expected).max() <= 0.51


def test_halved_files_keep_float32_at_both_ends_and_the_picture(exported):
    for name in ("CycleGAN ResNet-6", "vid2vid of street scenes"):
        path, manifest, loaded = exported(named(name), precision="fp16")
        assert open_model(path).precision == "fp16"
        runner = session(path)
        assert {value.type for value in (*runner.get_inputs(), *runner.get_outputs())} <= {
            "tensor(float)",
            "tensor(int32)",
        }
        inputs, state = golden_inputs(manifest, seed=3, height=64, width=96)
        made, expected = call(runner, inputs, state), run(as_graph(loaded, ExportOptions(name=name)), inputs, state)
        error = (made["picture"] - expected["picture"]) * 127.5
        assert 10 * np.log10(255**2 / np.square(error).mean()) >= 50
        assert golden_difference(manifest, OnnxRuntimeEngine(path)) <= manifest.golden.tolerance


def test_eight_bit_weights_keep_thirty_four_decibels_on_what_they_were_calibrated_on(exported, tmp_path, capfd, caplog):
    path, _, _ = exported(named("CycleGAN ResNet-6"))
    frames = [Picture((tiny_clips.pattern(index, 48, 32),)) for index in range(3)]
    handlers = list(logging.getLogger().handlers)
    capfd.readouterr()  # what the export printed
    written, psnr_db = to_int8(open_model(path), frames, tmp_path / "int8.onnx")
    assert capfd.readouterr() == ("", "")  # the quantiser prints and logs on the root logger, its sessions warn
    assert not [record for record in caplog.records if record.name == "root"]
    assert logging.getLogger().handlers == handlers and not logging.getLogger().filters
    assert psnr_db >= 34
    model = open_model(tmp_path / "int8.onnx")
    assert (model.precision, model.manifest) == ("int8", written)
    weights = [
        tensor for tensor in onnx.load(model.path).graph.initializer if tensor.data_type == onnx.TensorProto.INT8
    ]
    assert len([tensor for tensor in weights if len(tensor.dims) == 4]) >= 6
    assert golden_difference(written, OnnxRuntimeEngine(model.path)) <= written.golden.tolerance
    results = [rotoscope.load(file)(frames[0].planes[0]).astype(float) for file in (path, model.path)]
    assert 10 * np.log10(255**2 / np.square(results[0] - results[1]).mean()) >= 34


def test_what_cannot_be_calibrated_on_plain_pictures_says_so(exported, tmp_path):
    with pytest.raises(UsageError, match="inputs beside one picture"):
        to_int8(open_model(exported(named("MUNIT"))[0]), [], tmp_path / "int8.onnx")
    with pytest.raises(UsageError, match="needs pictures"):
        to_int8(open_model(exported(named("CycleGAN ResNet-6"))[0]), [], tmp_path / "int8.onnx")


def test_positions_are_not_halved(tmp_path):
    loaded = from_state_dict(build(named("RAFT-small")).state_dict())
    with pytest.raises(UsageError, match="need fp32"):
        export_onnx(loaded, tmp_path / "net.onnx", ExportOptions(name="flow", precision="fp16"))


def test_shared_statistics_are_measured_on_a_batch_and_kept(exported):
    """A batch with zeros calibrates jointly, as the torch form does; `keep` 1 freezes that, less lets it follow."""
    from rotoscope.networks import share_statistics

    path, manifest, loaded = exported(named("compact student"), shared_statistics=True)
    assert (manifest.normalisation, manifest.number.what, manifest.state[0].input) == ("shared", "keep", "statistics")
    shared = share_statistics(loaded.network)
    frames = torch.rand(3, 3, 32, 48) * 2 - 1
    keep, nothing = np.array(1.0, np.float32), np.zeros(manifest.state[0].resolve(32, 48), np.float32)
    runner = session(path)

    calibrated = call(runner, {"frame": frames.numpy(), "keep": keep}, {"statistics": nothing})["statistics_out"]
    np.testing.assert_allclose(calibrated, shared.calibrate(frames).numpy(), atol=2e-3)
    last = frames[2:] * 0.5
    frozen = call(runner, {"frame": last.numpy(), "keep": keep}, {"statistics": calibrated})
    np.testing.assert_allclose(frozen["picture"], shared(last, torch.from_numpy(calibrated))[0].numpy(), atol=BOUND)
    np.testing.assert_array_equal(frozen["statistics_out"], calibrated)
    moving = call(runner, {"frame": last.numpy(), "keep": np.array(0.5, np.float32)}, {"statistics": calibrated})
    assert np.abs(moving["statistics_out"] - calibrated).max() > 0.01


def test_only_what_makes_pictures_shares_statistics():
    with pytest.raises(UsageError, match="RAFT-small does not translate frames"):
        as_graph(
            from_state_dict(build(named("RAFT-small")).state_dict()), ExportOptions(name="net", shared_statistics=True)
        )


def test_a_network_that_is_steady_without_help_says_so(exported):
    assert exported(named("compact student"), is_steady=True)[1].is_steady
    assert not exported(named("compact student"))[1].is_steady


def test_statistics_are_shared_beside_other_inputs():
    case = named("pix2pixHD generator with features")
    graph = as_graph(from_state_dict(build(case).state_dict()), ExportOptions(name="net", shared_statistics=True))
    assert graph.manifest.inputs == ("labels", "features", "keep")
    made = run(graph, *golden_inputs(graph.manifest, seed=0, height=32, width=48))
    assert made["picture"].shape == (1, 3, 32, 48)


def test_more_channels_than_a_picture_has_are_refused():
    network = resnet.ResnetGenerator(3, 5, width=2, num_blocks=2)
    with pytest.raises(ModelRefused, match="makes 5 channels; a picture has 3"):
        as_graph(from_state_dict(network.state_dict()), ExportOptions(name="net"))


def test_what_has_no_instance_norm_has_no_statistics_to_share():
    with pytest.raises(UsageError, match="no instance norm"):
        as_graph(
            from_state_dict(build(named("CycleGAN, no norm")).state_dict()),
            ExportOptions(name="net", shared_statistics=True),
        )


def test_the_warp_of_other_systems_stays_inside():
    with pytest.raises(UsageError, match="for vid2vid"):
        as_graph(from_state_dict(build(named("MUNIT")).state_dict()), ExportOptions(name="net", warp="outside"))


# What is refused


def tiny_graph(module):
    manifest = Manifest(name="net", frame=FrameInput(tensor="in"), output=FrameOutput(tensor="out"))
    return Graph(Flat(module, 0).eval(), manifest)


def test_a_network_in_training_mode_is_refused(tmp_path):
    graph = tiny_graph(torch.nn.Conv2d(3, 3, 3, padding=1))
    with pytest.raises(ModelRefused, match=r"training mode; call \.eval"):
        write_onnx(Graph(graph.module.train(), graph.manifest), tmp_path / "net.onnx")
    graph.module.eval().network.train()  # one part is enough
    with pytest.raises(ModelRefused, match="training mode"):
        write_onnx(graph, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_weights_that_overflow_are_refused(tmp_path):
    conv = torch.nn.Conv2d(3, 3, 3, padding=1)
    conv.weight.data.fill_(3e38)
    with pytest.raises(ModelRefused, match="no finite values"):
        write_onnx(tiny_graph(conv.requires_grad_(False)), tmp_path / "net.onnx")


def test_the_least_side_is_the_first_that_runs():
    reflecting = torch.nn.Sequential(torch.nn.ReflectionPad2d(5), torch.nn.Conv2d(3, 3, 11))
    assert least_side(tiny_graph(reflecting.requires_grad_(False))) == 8
