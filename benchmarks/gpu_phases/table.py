"""The results as a table of at most 40 lines, goals beside figures."""

from collections.abc import Iterator

MOST_LINES = 40
STEADYING = "a frame of blend without network and flow search"
SHARE_OF_COPY = 0.6  # goal of a kernel that is bound by bandwidth
STEADYING_US = 500.0  # goal at 1080p
SHARE_OF_ENGINE = 0.9  # goal of a whole run, sink null
TIMES_HOST = 10.0  # goal of the device path


def table(document: dict) -> str:
    """Return the table of a run; on the simulated GPU it says what agrees, and no goal is judged."""
    lines = [*heading(document), *states(document)]
    lines += checks(document["phases"])
    if document["device"] != "simulated":
        lines += figures(document["phases"])
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"... {len(lines) - MOST_LINES + 1} more lines are in the file"]
    return "\n".join(lines)


def heading(document: dict) -> Iterator[str]:
    card = document["phases"].get("facts", {}).get("card", "?")
    yield f"{card}, {document['date']}"
    if document["device"] == "simulated":
        yield "simulated GPU: what is compared agrees or not; nothing here is a speed, and no goal is judged"


def states(document: dict) -> Iterator[str]:
    for name, phase in document["phases"].items():
        reason = f": {phase['reason']}" if phase.get("reason") else ""
        yield f"{name:12} {phase['state']}{reason}"[:160]


def checks(phases: dict) -> Iterator[str]:
    tests = phases.get("tests", {})
    if "passed" in tests:
        yield f"tests on the card: {tests['passed']} passed, {len(tests['failed'])} failed, {tests['skipped']} skipped"
    for row in phases.get("sanitizer", {}).get("tools", ()):
        yield f"{row['tool']}: {row['verdict']}"
    kernels = phases.get("parity", {}).get("kernels", ())
    if kernels:
        yield f"kernels against their references: {sum(row['agrees'] for row in kernels)} of {len(kernels)} agree"
    looks = [row for row in phases.get("parity", {}).get("looks", ()) if "agrees" in row]
    if looks:
        yield f"looks against their golden values: {sum(row['agrees'] for row in looks)} of {len(looks)} agree"
    clips = phases.get("decode", {}).get("clips", ())
    for row in clips:
        speed = f", {row['nvdec_fps']} fps, software {row['software_fps']} fps" if "nvdec_fps" in row else ""
        verdict = row.get("reason") or ("equal to software" if row["is_equal"] else "DIFFERS")
        yield f"decode {row['clip']} {row['size']}: {verdict}{speed}"[:160]
    differences = phases.get("end_to_end", {}).get("differences", ())
    if differences:
        agree = sum(row["agrees"] for row in differences)
        yield f"pictures of device and host: {agree} of {len(differences)} runs agree"


def figures(phases: dict) -> Iterator[str]:
    ceilings = phases.get("ceilings", {})
    if "copy_gb_per_second" in ceilings:
        product = ceilings.get("bf16_tflops", "?")
        yield f"measured copy {ceilings['copy_gb_per_second']} GB/s, bf16 product {product} TFLOP/s"
    yield from kernel_lines(phases.get("kernels", {}).get("rows", ()))
    yield from engine_lines(phases.get("engines", {}).get("rows", ()))
    yield from fp16_lines(phases.get("onnxruntime_fp16", {}).get("rows", ()))
    yield from whole_lines(phases.get("end_to_end", {}))


def kernel_lines(rows: list[dict]) -> Iterator[str]:
    judged = [row for row in rows if row.get("bandwidth_bound") and "share_of_copy" in row]
    large = [row for row in judged if row["size"] == "1920x1080"]
    if large:
        reach = [row for row in large if row["share_of_copy"] >= SHARE_OF_COPY]
        slow = sorted((row for row in large if row not in reach), key=lambda row: row["share_of_copy"])[:4]
        named = ", ".join(f"{row['kernel']} {row['share_of_copy']:.0%}" for row in slow)
        below = f"; lowest: {named}" if slow else ""
        yield f"kernels at 1080p: {len(reach)} of {len(large)} reach {SHARE_OF_COPY:.0%} of the copy (goal: all){below}"
    for row in rows:
        if row["kernel"] == STEADYING and row["size"] == "1920x1080" and "us" in row:
            yield f"steadying and colour at 1080p: {row['us']} us (goal: below {STEADYING_US:g})"


def engine_lines(rows: list[dict]) -> Iterator[str]:
    for row in rows:
        if "us" in row and row["size"] in ("512x512", "1920x1088") and "eager fp32" not in row["engine"]:
            rate = f", {row['tflops']} TFLOP/s" if "tflops" in row else ""
            shown = f"{row['us']['median']} us, p99 {row['us']['p99']}"
            yield f"{row['network']} {row['engine']} {row['size']}: {shown}{rate}"


def fp16_lines(rows: list[dict]) -> Iterator[str]:
    timed = sorted((row for row in rows if "us" in row), key=lambda row: row["us"]["median"])
    for row in timed[:2] + [row for row in timed[2:] if "before" in row["settings"]]:
        on_host = [name.removeprefix("CPU ") for name in row["ran_on"] if name.startswith("CPU ")]
        shown = f"{row['us']['median']} us, on the CPU: {', '.join(on_host) or 'nothing'}"
        yield f"ONNX Runtime fp16, {row['settings']}: {shown}"[:160]


def whole_lines(phase: dict) -> Iterator[str]:
    alone = {row["size"]: row["fps"] for row in phase.get("engine_alone", ()) if "fps" in row}
    runs = [row for row in phase.get("runs", ()) if "fps" in row]
    by_key = {(row["path"], row["method"], row["size"], row["sink"]): row for row in runs}
    for (path, method, size, sink), row in by_key.items():
        if path != "device":
            continue
        line = f"{method} {size} {sink}: {row['fps']} fps, p99 {row['ms_between_frames']['p99']} ms"
        if sink == "null" and size in alone:
            line += f"; {row['fps'] / alone[size]:.0%} of the engine's {alone[size]} (goal {SHARE_OF_ENGINE:.0%})"
        for other, goal in (("host", f" (goal {TIMES_HOST:g}x)"), ("peers", "")):
            slower = by_key.get((other, method, size, "null"))
            if sink == "null" and slower:
                line += f"; {row['fps'] / slower['fps']:.1f}x {other}{goal}"
        yield line
    for row in phase.get("clock", ()):
        if "fps" in row:
            held = "sustained" if row["is_sustained"] else "NOT sustained"
            yield f"{row['method']} {row['size']} at {row['clock_fps']} fps on a clock: {held}, {row['fps']} fps"
