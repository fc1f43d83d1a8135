"""Future prediction: a predictor of label maps before the chain, which continues the source after its end."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rotoscope.base.errors import UsageError
from rotoscope.base.frame import Frame
from rotoscope.base.options import OutputOptions, SteadyOptions
from rotoscope.runtime.network.label_future import continued
from rotoscope.runtime.network.shown_labels import shown_labels
from rotoscope.runtime.pipeline.output import OutputPlan
from rotoscope.runtime.pipeline.stages import RunnableModel

HOLDS_NUMBERS = ("", ".png", ".tif", ".tiff")


@dataclass(frozen=True)
class Future:
    """Frames that are predicted after the end of the source.

    predictor  of kind "predict"
    ahead      how many frames
    is_alone   no network makes frames of the maps: the result shows the maps
    """

    predictor: RunnableModel
    ahead: int
    is_alone: bool

    @property
    def shows_numbers(self) -> bool:
        """The result is label maps as numbers, not in colours."""
        return self.is_alone and self.predictor.file.manifest.frame.is_ids

    def check_target(self, plan: OutputPlan) -> None:
        """Raise UsageError for numbers in a format that would change them."""
        is_folder = plan.path is not None and (plan.path.is_dir() or plan.path.suffix.lower() in HOLDS_NUMBERS)
        if self.shows_numbers and not plan.is_null and not is_folder:
            raise UsageError(
                f"{plan.path or '-'}: label numbers go into PNG or TIFF; accepted: a folder, or a predictor with a palette "
                "(rotoscope export --labels N --palette ...), whose maps are in colour"
            )

    def steady(self, options: SteadyOptions) -> SteadyOptions:
        """The options for reducing flicker: none for label maps, which cannot be blended."""
        return replace(options, steady="off") if self.is_alone else options

    def continued(self, frames: Iterable[Frame], threads: int) -> Iterator[Frame]:
        """The frames, then the predicted ones."""
        engine = self.predictor.engine(threads=threads, calls=1)
        return continued(frames, self.predictor.file, engine, self.ahead)


def parted(
    models: Sequence[RunnableModel], ahead: int, *, resumes: bool, steady: SteadyOptions, output: OutputOptions
) -> tuple[Future | None, Sequence[RunnableModel]]:
    """Take a predictor off the front of a chain: (future, the models that make frames).

    ahead    frames to predict
    resumes  the run goes on from segments of an earlier one
    A predictor alone is followed by a model that shows its maps. Raises UsageError for models and options that do not go
    together.
    """
    first = models[0]
    manifest = first.file.manifest
    if manifest.kind != "predict":
        if ahead:
            raise UsageError(
                f"--ahead {ahead}: {manifest.name} predicts nothing; accepted: a predictor of label maps first "
                "(rotoscope train vid2vid --task predict)"
            )
        return None, models
    if not ahead:
        raise UsageError(f"{manifest.name} predicts the frames after a clip; --ahead 30 says how many")
    if resumes:
        raise UsageError("--resume with --ahead; accepted: one of them")
    others = models[1:]
    for other in others[:1]:
        theirs = other.file.manifest
        if theirs.frame.labels != manifest.frame.labels:
            raise UsageError(f"{theirs.name} does not take the label maps of {manifest.name}: number or palette differ")
        if theirs.instances is not None or theirs.mask is not None or theirs.second is not None:
            raise UsageError(
                f"{theirs.name} needs more than label maps, which is not predicted; accepted: label maps alone"
            )
    if not others and steady.steady not in (None, "off"):
        raise UsageError(f"--steady {steady.steady}: labels cannot be blended; accepted: off")
    if not others and (output.output_size or output.mix or output.compare):
        raise UsageError("--output-size, --mix or --compare: label maps cannot be mixed; accepted: none of these")
    shown: Sequence[RunnableModel] = others or [shown_labels(first.file, first.name)]
    return Future(first, ahead, is_alone=not others), shown
