"""One translation from file to file: the models of a chain, the networks beside them, and the run."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rotoscope.assembly.chain import Named, as_chain, device_of_chain, model_keywords, open_chain, threads_of
from rotoscope.assembly.pair_networks import flow_source, interpolator
from rotoscope.base.option_checks import check_count, check_known
from rotoscope.base.options import (
    IN_FLIGHT,
    THREADS,
    EngineName,
    ModelOptions,
    OutputOptions,
    SourceOptions,
    SteadyOptions,
    options_from,
)
from rotoscope.kernels.rows import usable_cores
from rotoscope.runtime.pipeline.job import Job, Progress, Run, run_job
from rotoscope.runtime.pipeline.segmentation import Segmented


def translate_file(
    source: str,
    target: str | None,
    model: Named | Sequence[Named],
    options: Mapping[str, Any],
    *,
    engine: EngineName | None = None,
    threads: int | None = None,
    in_flight: int | None = None,
    segments: Segmented | None = None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Run:
    """Translate; the arguments are those of `rotoscope.translate`, its further keywords in `options`."""
    check_known(options, SourceOptions, ModelOptions, SteadyOptions, OutputOptions)
    check_count("threads", threads, THREADS)
    check_count("in_flight", in_flight, IN_FLIGHT)
    chain = as_chain(model)
    given = model_keywords(options, engine)
    threads = threads or threads_of(chain)
    job = Job(
        source=source,
        target=target,
        source_options=options_from(SourceOptions, options),
        steady_options=options_from(SteadyOptions, options),
        output_options=options_from(OutputOptions, options),
        threads=threads,
        in_flight=in_flight,
        segments=segments,
    )
    num_threads = usable_cores() if threads is None else threads
    device = device_of_chain(chain, given)
    return run_job(
        job,
        lambda: open_chain(chain, given),
        flow=flow_source(job.steady_options, num_threads, device),
        interpolator=interpolator(job.steady_options, num_threads, device),
        on_progress=on_progress,
    )
