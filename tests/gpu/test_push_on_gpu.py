"""`Translator.push` with images on the GPU: results are there too, of the same kind, and no pixel goes to the host."""

import sys
from types import ModuleType

import network_kinds as kinds
import numpy as np
import pytest
import tiny_models
from simulated_gpu import whole_machine

import rotoscope

SIZE = (128, 192)  # (height, width): the CPU enlarges smaller pictures for the motion
COUNT = 7


def images():
    with rotoscope.read(f"synthetic:{SIZE[1]}x{SIZE[0]}@25:{COUNT}") as frames:
        return [rotoscope.rgb(frame.source) for frame in frames]


@pytest.fixture(scope="module")
def affine(tmp_path_factory):
    return str(tiny_models.affine(tmp_path_factory.mktemp("models") / "affine.onnx", -0.8, 0.9))


def pushed(translator, given, **beside):
    made = [translator.push(image, **beside) for image in given]
    return [image for image in made if image is not None] + translator.flush()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("steady", ["off", "blend", "hypercon"])
def test_images_of_cupy_give_images_of_cupy(steady, seed, affine):
    options = {"steady": steady, "flow": "inverse-search", "input_range": (0, 1)}
    with rotoscope.Translator(affine, **options) as translator:
        expected = pushed(translator, images())
    with (
        whole_machine(seed=seed, eager=0.3) as gpu,
        rotoscope.Translator(affine, device="cuda", **options) as translator,
    ):
        import cupy

        stream, made = cupy.cuda.Stream(non_blocking=True), []
        with stream:
            for index, image in enumerate(images()):
                on_gpu = cupy.asarray(image)
                before = gpu.counters.copy()
                result = translator.push(on_gpu)
                on_gpu.fill(77)  # the image is the caller's again
                spent = gpu.counters - before
                if index > 4:  # the first ones upload tables, and try whether the network takes batches
                    assert spent.downloaded_bytes <= 64 and spent.uploaded_bytes == 0 == spent.pageable_copies
                if result is not None:
                    made.append(result.copy())
                    result.fill(3)  # so is a result
                    del result
            made += translator.flush()
            assert all(isinstance(image, cupy.ndarray) for image in made)
            made = [image.get() for image in made]
    assert len(made) == len(expected) == COUNT
    differences = np.abs(np.stack(made).astype(int) - np.stack(expected))
    # The motion of RGB images begins with their grey, which the CPU rounds after it is made smaller, and the GPU before.
    assert (differences > 1).mean() <= 2e-3


class Foreign:
    """An array of another library, on the legacy stream."""

    __module__ = "foreign.arrays"

    def __init__(self, array):
        self.array = array

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)


def test_arrays_of_another_library_give_arrays_of_it(affine, monkeypatch):
    library = ModuleType("foreign")
    library.from_dlpack = Foreign
    monkeypatch.setitem(sys.modules, "foreign", library)
    with rotoscope.Translator(affine, steady="off", input_range=(0, 1)) as translator:
        expected = pushed(translator, images())
    options = {"steady": "off", "device": "cuda", "input_range": (0, 1)}
    with whole_machine(seed=2), rotoscope.Translator(affine, **options) as translator:
        import cupy

        made = [translator.push(Foreign(cupy.asarray(image))) for image in images()]
        assert all(isinstance(image, Foreign) for image in made)
        made = [image.array.get() for image in made]
    assert np.abs(np.stack(made).astype(int) - np.stack(expected)).max() <= 1


@pytest.mark.parametrize("on_host", [True, False])
def test_masks_come_beside_from_either_side(on_host, tmp_path):
    model = kinds.filler(tmp_path)
    mask = np.zeros(SIZE, bool)
    mask[20:50, 30:80] = True
    with rotoscope.Translator(model, steady="off") as translator:
        expected = pushed(translator, images(), mask=mask)
    with whole_machine(), rotoscope.Translator(model, steady="off", device="cuda") as translator:
        import cupy

        given = mask if on_host else cupy.asarray(mask)
        made = [image.get() for image in pushed(translator, map(cupy.asarray, images()), mask=given)]
        with pytest.raises(rotoscope.UsageError, match="fills holes; mask says where"):
            translator.push(cupy.asarray(images()[0]))
        with pytest.raises(rotoscope.UsageError, match="a mask of float32"):
            translator.push(cupy.asarray(images()[0]), mask=cupy.zeros(SIZE, np.float32))
    assert np.abs(np.stack(made).astype(int) - np.stack(expected)).max() <= 1


def test_what_does_not_fit_is_refused(affine):
    with whole_machine():
        import cupy

        image = cupy.asarray(images()[0])
        with rotoscope.Translator(affine, steady="off") as on_cpu:
            with pytest.raises(rotoscope.UsageError, match=r"an image on cuda:0; this translator .* on the CPU"):
                on_cpu.push(image)
            assert on_cpu.push(images()[0]).shape == (*SIZE, 3)
        with rotoscope.Translator(affine, steady="off", device="cuda") as translator:
            with pytest.raises(rotoscope.UsageError, match="an image of float32"):
                translator.push(cupy.zeros((*SIZE, 3), np.float32))
            translator.push(image)
            with pytest.raises(
                rotoscope.UsageError, match=r"an image on cpu in a stream of images on cuda:0; flush\(\)"
            ):
                translator.push(images()[0])
            translator.reset()
            assert isinstance(translator.push(images()[0]), np.ndarray)
