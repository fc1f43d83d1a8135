"""Time kernels beside the library calls that a user would take instead, and beside the machine's limit, at 1280x720.

    pytest benchmarks/test_kernels.py --benchmark-json=run1.json
    python benchmarks/test_kernels.py benchmarks/results/kernels.json run1.json run2.json ...

The second line prints the ratios of the best rounds of all runs and stores the raw results. Every test checks its result
after timing. The other libraries get as many threads as the kernels, and inputs in the layout that is fastest for them.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HEIGHT, WIDTH, PICTURES = 720, 1280, 7
ROUNDS = 25
LIMIT = Path(__file__).parent / "limits" / "aggregate.cpp"

cv2 = pytest.importorskip("cv2")
torch = pytest.importorskip("torch")


def smooth_flow(k):
    """Return a smooth flow of a few pixels, (H,W,2) float32."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([8 * np.sin(x / 100 + k) + 0.3 * np.cos(y / 7), 5 * np.cos(y / 90 + k)], 2).astype(np.float32)


@pytest.fixture(scope="module")
def scene():
    """Pictures and flows in the layout of each library."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    base = np.stack([x, y], 2).astype(np.float32)
    octets = [rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(PICTURES)]
    flows = [smooth_flow(k) for k in range(PICTURES - 1)]
    floats = []
    for picture in octets:
        padded = np.zeros((HEIGHT, WIDTH, 4), np.float32)
        padded[..., :3] = picture / np.float32(255)
        floats.append(padded)
    planar = [np.ascontiguousarray(np.moveaxis(p[..., :3], 2, 0)) for p in floats]
    return {
        "octets": octets,
        "floats": floats,
        "planar": planar,
        "flows": flows,
        "maps": [base + flow for flow in flows],
        "base": torch.from_numpy(base),
        "scale": torch.tensor([2 / (WIDTH - 1), 2 / (HEIGHT - 1)]),
        "tensors": [torch.from_numpy(p)[None] for p in planar],
        "torch_flows": [torch.from_numpy(flow) for flow in flows],
    }


@pytest.fixture(autouse=True)
def two_threads():
    from rotoscope.kernels.rows import current_workers

    torch.set_num_threads(current_workers().threads)
    cv2.setNumThreads(current_workers().threads)


def measure(benchmark, group, moved, function, rounds=ROUNDS):
    """Time one call; `moved` is the bytes of every input and output, once."""
    benchmark.group = group
    benchmark.extra_info.update(size=f"{WIDTH}x{HEIGHT}", bytes=int(moved))
    return benchmark.pedantic(function, rounds=rounds, warmup_rounds=3)


def nbytes(*arrays):
    return sum(array.nbytes for array in arrays)


def torch_grid(scene, k):
    return ((scene["base"] + scene["torch_flows"][k]) * scene["scale"] - 1)[None]


def torch_warp(picture, grid):
    return torch.nn.functional.grid_sample(picture, grid, align_corners=True, padding_mode="border")


def remap(picture, coordinates):
    return cv2.remap(picture, coordinates, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def as_planar(picture):
    return np.moveaxis(picture[..., :3], 2, 0)


class TestLimit:
    def test_copy(self, benchmark):
        source = np.ones(50_000_000, np.float32)
        target = np.zeros_like(source)
        measure(benchmark, "limit", 2 * source.nbytes, lambda: np.copyto(target, source))
        assert target[-1] == 1


class TestWarp:
    def test_kernel_float32(self, benchmark, scene):
        from rotoscope.kernels.warp import warp

        picture, flow = scene["floats"][0], scene["flows"][0]
        out = np.empty_like(picture)
        measure(benchmark, "warp float32", nbytes(picture, flow, out), lambda: warp(picture, flow, out=out))
        expected = torch_warp(scene["tensors"][0], torch_grid(scene, 0))[0].numpy()
        np.testing.assert_allclose(as_planar(out), expected, atol=2e-4)

    def test_torch_grid_sample(self, benchmark, scene):
        picture, grid = scene["tensors"][0], torch_grid(scene, 0)
        out = measure(benchmark, "warp float32", 2 * picture.nbytes + grid.nbytes, lambda: torch_warp(picture, grid))
        assert out.shape == picture.shape

    def test_torch_from_flow(self, benchmark, scene):
        picture, flow = scene["tensors"][0], scene["flows"][0]
        moved = 2 * picture.nbytes + flow.nbytes
        out = measure(benchmark, "warp float32", moved, lambda: torch_warp(picture, torch_grid(scene, 0)))
        assert out.shape == picture.shape

    def test_cv2_remap(self, benchmark, scene):
        picture, coordinates = np.ascontiguousarray(scene["floats"][0][..., :3]), scene["maps"][0]
        moved = nbytes(picture, picture, coordinates)
        out = measure(benchmark, "warp float32", moved, lambda: remap(picture, coordinates))
        assert out.shape == picture.shape

    def test_kernel_uint8(self, benchmark, scene):
        from rotoscope.kernels.warp import warp

        picture, flow = scene["octets"][0], scene["flows"][0]
        out = np.empty_like(picture)
        measure(benchmark, "warp uint8", nbytes(picture, flow, out), lambda: warp(picture, flow, out=out))
        assert np.abs(out.astype(int) - remap(picture, scene["maps"][0])).mean() < 2

    def test_cv2_remap_uint8(self, benchmark, scene):
        picture, coordinates = scene["octets"][0], scene["maps"][0]
        out = measure(
            benchmark, "warp uint8", nbytes(picture, picture, coordinates), lambda: remap(picture, coordinates)
        )
        assert out.shape == picture.shape

    def test_kernel_cubic(self, benchmark, scene):
        from rotoscope.kernels.warp import warp

        picture, flow = scene["floats"][0], scene["flows"][0]
        out = np.empty_like(picture)
        moved = nbytes(picture, flow, out)
        measure(benchmark, "warp cubic float32", moved, lambda: warp(picture, flow, sampling="cubic", out=out))
        assert out[..., :3].min() >= 0

    def test_torch_cubic(self, benchmark, scene):
        picture, grid = scene["tensors"][0], torch_grid(scene, 0)

        def warp_cubic():
            return torch.nn.functional.grid_sample(
                picture, grid, mode="bicubic", align_corners=True, padding_mode="border"
            )

        out = measure(benchmark, "warp cubic float32", 2 * picture.nbytes + grid.nbytes, warp_cubic, rounds=10)
        assert out.shape == picture.shape


def torch_aggregate(scene, pool):
    warped = [torch_warp(scene["tensors"][k + 1], torch_grid(scene, k)) for k in range(PICTURES - 1)]
    stack = torch.cat([scene["tensors"][0], *warped])
    return stack.median(0).values if pool == "median" else stack.mean(0)


class TestAggregate:
    @pytest.mark.parametrize("pool", ["median", "mean"])
    def test_kernel_float32(self, benchmark, scene, pool):
        from rotoscope.kernels.aggregate import aggregate

        (center, *neighbours), flows = scene["floats"], scene["flows"]
        out = np.empty_like(center)
        moved = nbytes(center, *neighbours, *flows, out)
        measure(
            benchmark, f"aggregate {pool} K=7 float32", moved,
            lambda: aggregate(center, neighbours, flows, pool=pool, out=out),
        )  # fmt: skip
        np.testing.assert_allclose(as_planar(out), torch_aggregate(scene, pool).numpy(), atol=3e-4)

    @pytest.mark.parametrize("pool", ["median", "mean"])
    def test_kernel_planar(self, benchmark, scene, pool):
        from rotoscope.kernels.aggregate import aggregate

        (center, *neighbours), flows = scene["planar"], scene["flows"]
        out = np.empty_like(center)
        moved = nbytes(center, *neighbours, *flows, out)
        measure(
            benchmark, f"aggregate {pool} K=7 float32", moved,
            lambda: aggregate(center, neighbours, flows, pool=pool, out=out), rounds=10,
        )  # fmt: skip
        np.testing.assert_allclose(out, torch_aggregate(scene, pool).numpy(), atol=3e-4)

    @pytest.mark.parametrize("pool", ["median", "mean"])
    def test_torch(self, benchmark, scene, pool):
        moved = sum(t.nbytes for t in scene["tensors"]) + nbytes(*scene["flows"]) + scene["tensors"][0].nbytes
        out = measure(benchmark, f"aggregate {pool} K=7 float32", moved, lambda: torch_aggregate(scene, pool), rounds=6)
        assert out.shape == (3, HEIGHT, WIDTH)

    def test_kernel_uint8(self, benchmark, scene):
        from rotoscope.kernels.aggregate import aggregate, aggregate_reference

        (center, *neighbours), flows = scene["octets"], scene["flows"]
        out = np.empty_like(center)
        moved = nbytes(center, *neighbours, *flows, out)
        measure(benchmark, "aggregate median K=7 uint8", moved, lambda: aggregate(center, neighbours, flows, out=out))
        rows = slice(100, 140)  # the reference takes seconds for a whole picture
        far = slice(100 - 40, 140 + 40)
        some = aggregate_reference(
            center[far], [n[far] for n in neighbours], [np.ascontiguousarray(f[far]) for f in flows]
        )
        assert np.abs(out[rows].astype(int) - some[40:80]).max() <= 1

    def test_cv2_and_numpy(self, benchmark, scene):
        (center, *neighbours), maps = scene["octets"], scene["maps"]

        def warp_and_pool():
            warped = [remap(n, coordinates) for n, coordinates in zip(neighbours, maps, strict=True)]
            return np.median(np.stack([center, *warped]), axis=0).astype(np.uint8)

        moved = nbytes(center, *neighbours, *maps, center)
        out = measure(benchmark, "aggregate median K=7 uint8", moved, warp_and_pool, rounds=6)
        assert out.shape == center.shape

    def test_handwritten_avx512(self, benchmark, scene, tmp_path):
        cpu = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
        if "avx512f" not in cpu or shutil.which("g++") is None or not LIMIT.exists():
            pytest.skip("no AVX-512 CPU, no C++ compiler or no source for the limit")
        import ctypes

        library = tmp_path / "limit.so"
        flags = ("-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-pthread")
        subprocess.run(["g++", *flags, str(LIMIT), "-o", str(library)], check=True)
        limit = ctypes.CDLL(str(library)).aggregate_median7
        pictures = (ctypes.c_void_p * PICTURES)(*[p.ctypes.data for p in scene["floats"]])
        flows = (ctypes.c_void_p * (PICTURES - 1))(*[f.ctypes.data for f in scene["flows"]])
        # Aligned for the streaming stores that the limit uses.
        room = np.empty(HEIGHT * WIDTH * 4 + 16, np.float32)
        start = -room.ctypes.data % 64 // 4
        out = room[start : start + HEIGHT * WIDTH * 4].reshape(HEIGHT, WIDTH, 4)
        moved = nbytes(*scene["floats"], *scene["flows"], out)
        measure(
            benchmark, "aggregate median K=7 float32", moved,
            lambda: limit(pictures, flows, HEIGHT, WIDTH, ctypes.c_void_p(out.ctypes.data)),
        )  # fmt: skip
        np.testing.assert_allclose(as_planar(out), torch_aggregate(scene, "median").numpy(), atol=3e-4)


class TestBlend:
    def test_kernel(self, benchmark, scene):
        from rotoscope.kernels.blend import blend

        current, previous = scene["floats"][:2]
        flow, confidence = scene["flows"][0], np.random.default_rng(1).random((HEIGHT, WIDTH), np.float32)
        out = np.empty_like(current)
        moved = nbytes(current, previous, flow, confidence, out)
        measure(
            benchmark, "blend float32", moved,
            lambda: blend(current, previous, flow, strength=0.7, confidence=confidence, out=out),
        )  # fmt: skip
        np.testing.assert_allclose(as_planar(out), self.composition(scene, confidence)()[0].numpy(), atol=3e-4)

    def test_torch_composition(self, benchmark, scene):
        confidence = np.random.default_rng(1).random((HEIGHT, WIDTH), np.float32)
        moved = 3 * scene["tensors"][0].nbytes + nbytes(scene["flows"][0], confidence)
        out = measure(benchmark, "blend float32", moved, self.composition(scene, confidence), rounds=10)
        assert out.shape == (1, 3, HEIGHT, WIDTH)

    @staticmethod
    def composition(scene, confidence):
        current, previous, trust = *scene["tensors"][:2], torch.from_numpy(confidence)[None, None]

        def compose():
            grid = torch_grid(scene, 0)
            inside = (grid.abs() <= 1).all(-1)[:, None]
            weight = 0.7 * trust * inside
            return (1 - weight) * current + weight * torch_warp(previous, grid)

        return compose


@pytest.fixture(scope="module")
def video():
    """One 4:2:0 picture as planes, and as PyAV's frame."""
    av = pytest.importorskip("av")
    rng = np.random.default_rng(2)
    small = (HEIGHT // 2, WIDTH // 2)
    luma = cv2.GaussianBlur(rng.integers(16, 236, (HEIGHT, WIDTH), np.uint8), (0, 0), 3)
    chroma = [cv2.GaussianBlur(rng.integers(16, 241, small, np.uint8), (0, 0), 3) for _ in range(2)]
    packed = np.concatenate([luma.ravel(), *[plane.ravel() for plane in chroma]]).reshape(HEIGHT * 3 // 2, WIDTH)
    return (luma, *chroma), av.VideoFrame.from_ndarray(packed, format="yuv420p")


class TestColour:
    def test_in_kernel(self, benchmark, video):
        from rotoscope.kernels.color_in import color_in, color_in_reference

        planes, _ = video
        out = np.empty((3, HEIGHT, WIDTH), np.float32)
        measure(
            benchmark, "color_in I420 to float32 NCHW", nbytes(*planes, out),
            lambda: color_in(planes, out, matrix="601", scale=(2.0,) * 3, offset=(-1.0,) * 3),
        )  # fmt: skip
        np.testing.assert_allclose(np.moveaxis(out, 0, 2), color_in_reference(planes, matrix="601") * 2 - 1, atol=1e-4)

    def test_in_swscale_and_numpy(self, benchmark, video):
        planes, frame = video

        def convert():
            rgb = frame.to_ndarray(format="rgb24")
            return (rgb.transpose(2, 0, 1).astype(np.float32) / 255 - 0.5) / 0.5

        out = measure(benchmark, "color_in I420 to float32 NCHW", nbytes(*planes) + 12 * HEIGHT * WIDTH, convert)
        assert out.shape == (3, HEIGHT, WIDTH)

    def test_out_kernel(self, benchmark, video):
        from rotoscope.kernels.color_in import color_in
        from rotoscope.kernels.color_out import color_out

        planes, _ = video
        picture = color_in(planes, np.empty((HEIGHT, WIDTH, 4), np.float32))
        targets = [np.empty_like(plane) for plane in planes]
        moved = nbytes(picture, *targets)
        measure(benchmark, "color_out float32 to I420", moved, lambda: color_out(picture, targets))
        for target, plane in zip(targets, planes, strict=True):
            np.testing.assert_array_equal(target, plane)

    def test_out_network_to_i420(self, benchmark, video):
        """Convert the network's planar output, as the other library does."""
        from rotoscope.kernels.color_in import color_in
        from rotoscope.kernels.color_out import color_out
        from rotoscope.kernels.interleave import interleave

        planes, _ = video
        chw = color_in(planes, np.empty((3, HEIGHT, WIDTH), np.float32), scale=(2.0,) * 3, offset=(-1.0,) * 3)
        picture, targets = np.empty((HEIGHT, WIDTH, 4), np.float32), [np.empty_like(plane) for plane in planes]

        def convert():
            interleave(chw, picture, scale=(0.5,) * 3, offset=(0.5,) * 3)
            color_out(picture, targets)

        measure(benchmark, "color_out float32 to I420", nbytes(chw, *targets), convert)
        assert np.abs(targets[0].astype(int) - planes[0]).max() <= 1

    def test_out_numpy_and_swscale(self, benchmark, video):
        import av

        from rotoscope.kernels.color_in import color_in

        planes, _ = video
        chw = color_in(planes, np.empty((3, HEIGHT, WIDTH), np.float32), scale=(2.0,) * 3, offset=(-1.0,) * 3)

        def convert():
            rgb = np.clip(np.rint((chw * 0.5 + 0.5) * 255), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb.transpose(1, 2, 0)), format="rgb24")
            return frame.reformat(format="yuv420p")

        out = measure(benchmark, "color_out float32 to I420", nbytes(chw, *planes), convert, rounds=10)
        assert out.height == HEIGHT


class TestOthers:
    def test_occlusion(self, benchmark, scene):
        from rotoscope.kernels.occlusion import occlusion

        forward, backward = scene["flows"][0], -scene["flows"][0]
        mask, confidence = np.empty((HEIGHT, WIDTH), np.uint8), np.empty((HEIGHT, WIDTH), np.float32)
        moved = nbytes(forward, backward, mask, confidence)
        measure(
            benchmark, "occlusion", moved, lambda: occlusion(forward, backward, confidence=confidence, out=mask)
        )  # fmt: skip
        assert confidence.max() <= 1

    def test_compose_flow(self, benchmark, scene):
        from rotoscope.kernels.compose_flow import compose_flow

        a, b = scene["flows"][:2]
        out = np.empty_like(a)
        measure(benchmark, "compose_flow", nbytes(a, b, out), lambda: compose_flow(a, b, out=out))
        assert np.isfinite(out).all()

    def test_invert_flow(self, benchmark, scene):
        from rotoscope.kernels.invert_flow import invert_flow

        flow = scene["flows"][0]
        out = np.empty_like(flow)
        measure(benchmark, "invert_flow", nbytes(flow, out), lambda: invert_flow(flow, out=out))
        assert np.isfinite(out).all()

    def test_interpolate(self, benchmark, scene):
        from rotoscope.kernels.interpolate import interpolate

        a, b = scene["floats"][:2]
        weight = np.full((HEIGHT, WIDTH), 0.5, np.float32)
        out = np.empty_like(a)
        moved = nbytes(a, b, *scene["flows"][:2], weight, out)
        measure(benchmark, "interpolate", moved, lambda: interpolate(a, b, *scene["flows"][:2], weight, out=out))
        assert out.max() <= 1

    @pytest.mark.parametrize(
        ("method", "size"), [("bilinear", (1080, 1920)), ("area", (288, 512)), ("bicubic", (1080, 1920))]
    )
    @pytest.mark.parametrize("who", ["kernel", "cv2"])
    def test_resize(self, benchmark, scene, method, size, who):
        from rotoscope.kernels.resize import resize

        picture = scene["octets"][0]
        code = {"bilinear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "bicubic": cv2.INTER_CUBIC}[method]
        out = np.empty((*size, 3), np.uint8)

        def call():
            if who == "cv2":
                return cv2.resize(picture, size[::-1], dst=out, interpolation=code)
            return resize(picture, size, method=method, out=out)

        measure(benchmark, f"resize {method} uint8 to {size[1]}x{size[0]}", nbytes(picture, out), call)
        assert np.abs(out.astype(int) - cv2.resize(picture, size[::-1], interpolation=code)).max() <= 1


def keep(target, *sources):
    """Store the results of several runs with the kind of machine; print the best round of each beside the kernel's."""
    runs = [json.loads(Path(source).read_text()) for source in sources]
    results = {}
    for run in runs:
        for b in run["benchmarks"]:
            row = results.setdefault((b["group"], b["name"]), {**b["extra_info"], "unit": "s", "runs": []})
            row["runs"].append({key: b["stats"][key] for key in ("min", "median", "mean", "stddev", "rounds")})
    info = runs[0]["machine_info"]
    about = {"cpu": info.get("cpu_name"), "cores": info["cpu"].get("count"), "python": info["python_version"]}
    rows = [{"group": group, "name": name, **row} for (group, name), row in results.items()]
    document = {"machine": about, "date": runs[0]["datetime"][:10], "results": rows}
    Path(target).write_text(json.dumps(document, indent=1) + "\n")
    for group in dict.fromkeys(row["group"] for row in rows):
        members = [row for row in rows if row["group"] == group]
        best = [min(run["min"] for run in row["runs"]) for row in members]
        for row, seconds in zip(members, best, strict=True):
            median = min(run["median"] for run in row["runs"])
            print(
                f"{group:34} {row['name']:36} best {seconds * 1e3:8.2f} ms  median {median * 1e3:8.2f} ms  "
                f"{row['bytes'] / seconds / 1e9:6.1f} GB/s  {seconds / best[0]:6.2f} x"
            )


if __name__ == "__main__":
    keep(*sys.argv[1:])
