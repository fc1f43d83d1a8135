"""Networks of every kind with their pictures on the simulated GPU: the frames of the CPU path, nothing done on the host."""

import network_kinds as kinds
import numpy as np
import pytest
import tiny_clips
import tiny_models
from simulated_gpu import whole_machine
from test_whole_run import LATER, NUM_FRAMES, SETTLED, code_values

import rotoscope

SIZE = (112, 80)
SOURCE = f"synthetic:{SIZE[0]}x{SIZE[1]}@25:{NUM_FRAMES}"


def translated(target, device, model, source=SOURCE, **options):
    """Translate losslessly; return the run, and what the device was asked for between SETTLED and LATER frames."""
    counted = {}

    def count(progress):
        if device == "cuda" and progress.done in (SETTLED, LATER):
            from simulated_gpu.gpu import gpu

            counted[progress.done] = gpu.counters.copy()

    options = {"steady": "off", "encoder_options": ("crf=0", "preset=ultrafast"), **options}
    done = rotoscope.translate(source, target, model=model, device=device, on_progress=count, **options)
    return done, counted[LATER] - counted[SETTLED] if counted else None


def assert_all_on_the_gpu(tmp_path, model, seed=0, **options):
    """The frames are those of the CPU within one code value; from frame 10 on there are no waits and no allocations."""
    translated(tmp_path / "cpu.mkv", "cpu", model, **options)
    with whole_machine(seed=seed):
        done, later = translated(tmp_path / "gpu.mkv", "cuda", model, **options)
    assert "pictures on cuda:0" in done.engine
    assert not [note for note in done.notes if "on the CPU around" in note]
    assert (later.stalls, later.allocations, later.pageable_copies) == (0, 0, 0)
    made, expected = (np.stack(code_values(tmp_path / f"{name}.mkv")) for name in ("gpu", "cpu"))
    assert made.shape == expected.shape
    assert len({frame.tobytes() for frame in expected}) > NUM_FRAMES // 2  # it moves: a frozen or mixed-up frame shows
    assert (np.abs(made - expected) > 1).mean() <= 1e-4
    return done, later


@pytest.mark.parametrize(
    "mask", [{}, {"dtype": "float16", "hole": 0.0, "known": 1.0}], ids=["float", "half, hole is low"]
)
@pytest.mark.parametrize("working", [None, "80x56"])
def test_a_network_that_fills_holes(mask, working, tmp_path):
    model = kinds.filler(tmp_path, **mask) if not mask else kinds.half_filler(tmp_path, **mask)
    options = {"working_size": working, "fit": "stretch"} if working else {}
    assert_all_on_the_gpu(tmp_path, model, mask=kinds.mask_picture(tmp_path, SIZE), **options)


@pytest.mark.parametrize("steady", ["blend", "hypercon"])
def test_holes_that_are_steadied(steady, tmp_path):
    model, mask = kinds.filler(tmp_path), kinds.mask_picture(tmp_path, (192, 128))
    source = f"synthetic:192x128@25:{NUM_FRAMES}"
    assert_all_on_the_gpu(tmp_path, model, source=source, mask=mask, steady=steady, flow="inverse-search")


def test_a_picture_that_is_finished_outside_the_graph(tmp_path):
    assert_all_on_the_gpu(tmp_path, kinds.composer(tmp_path), seed=1)


@pytest.mark.parametrize("working", [None, "80x56"])
def test_label_maps_of_numbers(working, tmp_path):
    maps = kinds.number_maps(tmp_path / "maps", NUM_FRAMES, SIZE, 4)
    options = {"working_size": working, "fit": "stretch"} if working else {}
    done, _ = assert_all_on_the_gpu(tmp_path, kinds.of_numbers(tmp_path), source=maps, rate=25, **options)
    assert done.notes.count("decoded on the CPU: only video files are decoded on a GPU") == 1


def test_label_maps_of_colours(tmp_path):
    maps = kinds.colour_maps(tmp_path / "maps", NUM_FRAMES, SIZE)
    assert_all_on_the_gpu(
        tmp_path, kinds.of_palette(tmp_path), source=maps, rate=25, working_size="80x56", fit="stretch"
    )


def test_instance_maps(tmp_path):
    maps = kinds.number_maps(tmp_path / "maps", NUM_FRAMES, SIZE, 5)
    assert_all_on_the_gpu(tmp_path, kinds.of_instances(tmp_path), instances=maps)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_grey_networks(dtype, tmp_path):
    assert_all_on_the_gpu(tmp_path, kinds.grey(tmp_path, dtype))


def test_a_window_of_frames(tmp_path):
    assert_all_on_the_gpu(tmp_path, kinds.of_window(tmp_path))


def test_a_batch_of_the_same_picture(tmp_path):
    assert_all_on_the_gpu(tmp_path, kinds.of_batch(tmp_path))


def test_what_one_network_made_another_steadies(tmp_path):
    first = str(tiny_models.affine(tmp_path / "affine.onnx", -0.8, 0.9))
    assert_all_on_the_gpu(tmp_path, [first, kinds.stabiliser(tmp_path)], input_range=(0, 1))


def test_colours_that_are_kept(tmp_path):
    model = str(tiny_models.affine(tmp_path / "affine.onnx", -0.8, 0.9))
    assert_all_on_the_gpu(tmp_path, model, input_range=(0, 1), keep_colour=True)


@pytest.mark.parametrize("transfer", [16, 18])
def test_results_in_hdr(transfer, tmp_path):
    def prepare(_container, stream):
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, transfer

    luma = np.linspace(100, 700, SIZE[0]).round().astype(np.uint16)
    chroma = np.full((SIZE[1] // 2, SIZE[0] // 2), 512, np.uint16)

    def make(index, *_):
        plane = np.tile(np.roll(luma, 3 * index), (SIZE[1], 1))
        return tiny_clips.planes_frame([plane, chroma, chroma], "yuv420p10le")

    clip = tiny_clips.write_clip(
        tmp_path / "hdr.mkv", frames=NUM_FRAMES, codec="ffv1", pixel_format="yuv420p10le", prepare=prepare, make=make
    )
    model = str(tiny_models.affine(tmp_path / "affine.onnx", 0.8, 0.05))
    assert_all_on_the_gpu(
        tmp_path, model, source=str(clip), input_range=(0, 1), hdr="keep", codec="ffv1", encoder_options=()
    )


def test_both_directions_of_a_flow_network_are_one_call(tmp_path):
    model, flow = str(tiny_models.affine(tmp_path / "affine.onnx", -0.8, 0.9)), kinds.flow_network(tmp_path)
    _, later = assert_all_on_the_gpu(tmp_path, model, input_range=(0, 1), steady="blend", flow=f"onnx:{flow}")
    assert later.network_calls <= 2 * (LATER - SETTLED + 6)  # three for each frame without batches


@pytest.mark.parametrize("masked", [False, True])
def test_inserted_frames_of_an_interpolation_network(masked, tmp_path):
    between = tiny_models.interpolator(tmp_path / "between.onnx", flow=(1.0, -0.5))
    model, size = kinds.filler(tmp_path), (192, 128)
    options = {"mask": kinds.mask_picture(tmp_path, size)} if masked else {}
    if not masked:
        model, options = str(tiny_models.affine(tmp_path / "affine.onnx", -0.8, 0.9)), {"input_range": (0, 1)}
    assert_all_on_the_gpu(
        tmp_path, model, source=f"synthetic:192x128@25:{NUM_FRAMES}", steady="hypercon", flow="inverse-search",
        interpolator=f"onnx:{between}", **options,
    )  # fmt: skip
