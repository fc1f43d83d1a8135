"""rotoscope serve: pictures and short clips over HTTP, until it is stopped."""

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from rotoscope.base.notify import Notifier
from rotoscope.base.text import printable
from rotoscope.cli.options import MODEL, STEADY, ModelArguments, SteadyArguments, as_keywords, chosen_models, flags
from rotoscope.service.options import ServeOptions

if TYPE_CHECKING:
    ServeFlags = ServeOptions
else:
    ServeFlags = flags(ServeOptions)

LIMITS = ServeFlags()


def serve(  # noqa: D417  cyclopts takes the help of flattened options from their fields
    *,
    model: Annotated[list[str] | None, Parameter(name=("-m", "--model"), negative=(), show_default=False)] = None,
    model_options: ModelArguments = MODEL,
    steady_options: SteadyArguments = STEADY,
    serve_options: Annotated[ServeFlags, Parameter(name="*", group=Group.create_ordered("Service"))] = LIMITS,
    threads: int | None = None,
) -> int:
    """Translate pictures and short clips that come over HTTP, until it is stopped with Ctrl-C or SIGTERM.

    POST a picture to /pictures and get it painted; POST a clip to /clips and ask for its progress. /openapi.json describes all
    requests.

    Parameters
    ----------
    model
        A bundled look, an .onnx file or a checkpoint; a request chooses one of several by name (?model=scream), and gets the
        first one without. Needed unless --like names a painting.
    threads
        Cores that a job may use; by default all.

    """
    import rotoscope
    from rotoscope.runtime.pipeline.stopping import stop_on_signals

    notifier = Notifier()
    options = as_keywords(model_options, steady_options, serve_options)
    models = chosen_models("serve", model, model_options.like)
    with rotoscope.serve(model=models, threads=threads, **options) as service, stop_on_signals(lambda: None) as stop:
        print(printable(f"serving: {service.url}"), file=sys.stderr, flush=True)
        notifier.ready()
        while not stop.is_made():
            if service.is_answering():
                notifier.alive()
            service.wait(0.2)
        print("stopping: accepted jobs are finished", file=sys.stderr, flush=True)
        notifier.stopping()
        service.drain(notifier.alive)
    return 0
