"""Model repositories for Triton: read with Triton's own protobuf, and run as the server would run them."""

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny_models

import rotoscope
from rotoscope.base.manifest import Manifest


@pytest.fixture(scope="module")
def protobuf():
    """The module of ModelConfig, without the rest of tritonclient, whose other packages are not installed."""
    found = importlib.util.find_spec("tritonclient")
    if found is None or not found.submodule_search_locations:
        pytest.skip("pip install --no-deps tritonclient==2.73.0")
    file = Path(found.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def config_of(protobuf):
    from google.protobuf import text_format

    return lambda folder: text_format.Parse((folder / "config.pbtxt").read_text(), protobuf.ModelConfig())


def test_a_look_takes_pictures_of_any_size(tmp_path, config_of, rotoscope_main):
    code, _, err = rotoscope_main("export", "starry", "--triton", tmp_path / "repository")
    assert code == 0, err
    folder = tmp_path / "repository" / "starry"
    assert err.strip() == f"written: {folder}"
    config = config_of(folder)
    assert (config.name, config.backend, config.max_batch_size) == ("starry", "onnxruntime", 0)
    assert [(value.data_type, value.dims[1]) for value in config.input] == [(11, 3)]  # TYPE_FP32
    assert not config.HasField("sequence_batching")
    manifest = Manifest.from_json(config.parameters["rotoscope"].string_value, where="config.pbtxt")
    assert manifest == rotoscope.load(folder / "1" / "model.onnx").file.manifest
    assert [value.name for value in config.input] == list(manifest.inputs)
    assert [value.name for value in config.output] == list(manifest.outputs)
    assert sorted(path.name for path in folder.rglob("*")) == ["1", "config.pbtxt", "model.onnx"]


def served(folder, config, pictures):
    """Results of a sequence, as a server with implicit state makes them."""
    session = onnxruntime.InferenceSession(str(folder / "1" / config.default_model_filename))
    kept = {
        state.input_name: np.zeros(state.initial_state[0].dims, np.float32) for state in config.sequence_batching.state
    }
    names = [value.name for value in config.output] + [state.output_name for state in config.sequence_batching.state]
    for picture in pictures:
        assert picture.shape == tuple(config.input[0].dims)
        first, *states = session.run(names, {config.input[0].name: picture, **kept})
        kept = dict(zip(kept, states, strict=True))
        yield first


def test_a_recurrent_model_keeps_its_state_in_the_server(tmp_path, config_of):
    model = tiny_models.smoother(tmp_path / "memory.onnx")
    folder = rotoscope.export_triton(model, tmp_path / "repository", size="64x48")
    config = config_of(folder)
    (state,) = config.sequence_batching.state
    assert (state.input_name, state.output_name) == ("memory", "memory_out")
    assert list(state.dims) == list(state.initial_state[0].dims) == [1, 3, 48, 64]
    assert state.initial_state[0].zero_data
    assert [value.name for value in config.input] == ["in"]
    assert [value.name for value in config.output] == ["out"]
    images = [np.full((48, 64, 3), value, np.uint8) for value in (255, 0, 255)]
    manifest = rotoscope.load(model).file.manifest
    black, white = manifest.frame.range
    pictures = [
        np.full((1, 3, 48, 64), black + (white - black) * (image[0, 0, 0] / 255), np.float32) for image in images
    ]
    with rotoscope.Translator(model, steady="off") as translator:
        expected = [translator.push(image) for image in images]
    low, high = manifest.output.range
    for result, image in zip(served(folder, config, pictures), expected, strict=True):
        shown = (result[0].transpose(1, 2, 0) - low) / (high - low) * 255
        assert np.abs(shown.clip(0, 255) - image).max() <= 1


def test_what_the_server_cannot_do_is_refused(tmp_path, rotoscope_main):
    recurrent = tiny_models.smoother(tmp_path / "memory.onnx")
    repository = tmp_path / "repository"
    lines = {
        ("export", recurrent, "--triton", repository): "accepted: --size, such as --size 640x360",
        ("export", recurrent, "--triton", repository, "--size", "64x0"): "size '64x0'; accepted",
        ("export", recurrent, "x.onnx", "--size", "64x64"): "--size is for --triton",
        ("export", recurrent, "x.onnx", "--triton", repository): "accepted: rotoscope export MODEL --triton DIR",
        ("export", recurrent, "--triton", repository, "--precision", "fp16"): "--precision with --triton",
        ("export", tmp_path / "none.onnx", "--triton", repository): "no such file",
    }
    for words, message in lines.items():
        code, _, err = rotoscope_main(*words)
        assert (code in (2, 4), message in err) == (True, True), err
    assert not repository.exists()
    rotoscope.export_triton(recurrent, repository, size="64x64")
    with pytest.raises(rotoscope.UsageError, match="exists; accepted: a repository without"):
        rotoscope.export_triton(recurrent, repository, size="64x64")


def test_a_state_that_begins_as_the_picture_is_refused(tmp_path):
    model = tiny_models.smoother(tmp_path / "memory.onnx")
    proto = onnx.load(model)
    manifest = Manifest.from_json(proto.metadata_props[0].value, where="it")
    state = manifest.state[0].model_copy(update={"initial": "in"})
    proto.metadata_props[0].value = manifest.model_copy(update={"state": (state,)}).model_dump_json()
    onnx.save(proto, model)
    with pytest.raises(rotoscope.ModelRefused, match="its state memory begins as in"):
        rotoscope.export_triton(model, tmp_path / "repository", size="64x64")


def test_a_size_that_the_network_does_not_take_is_refused(tmp_path):
    with pytest.raises(rotoscope.UsageError, match="--size 65x64; accepted by starry: sides of at least"):
        rotoscope.export_triton("starry", tmp_path, size="65x64")
