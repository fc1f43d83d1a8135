"""Print the JSON schema of a line of a file of jobs.

python scripts/job_schema.py > docs/batch-jobs.schema.json
"""

import json
from typing import Any, get_type_hints

from pydantic import Field, create_model

from rotoscope.base.limits import plain_type
from rotoscope.base.options import IN_FLIGHT, TRANSLATE_VALUES
from rotoscope.cli.options import field_docs


def job_schema() -> dict[str, Any]:
    """The schema: the options of `translate`, with source, target and model."""
    items: dict[str, Any] = {
        "source": (str, Field(description="What translate reads: a file, a folder of pictures, a pattern.")),
        "target": (str | None, Field(None, description="Path of the result below the folder of results.")),
        "model": (
            str | list[str],
            Field("", description="A model, or a list of them: a chain; by default that of -m."),
        ),
        "in_flight": (int | None, Field(None, ge=IN_FLIGHT.least, le=IN_FLIGHT.most, description="Frames at once.")),
    }
    for kind in TRANSLATE_VALUES:
        docs, defaults = field_docs(kind), kind()
        for name, annotated in get_type_hints(kind, include_extras=True).items():
            hint, limits = plain_type(annotated)
            is_number = limits is not None and hint in (int, float, int | None, float | None)
            bounds = {"ge": limits.least, "le": limits.most} if is_number else {}
            items[name] = (hint, Field(getattr(defaults, name), description=docs[name], **bounds))
    del items["overwrite"]  # of the whole batch
    del items["op_library"]  # a program, which only the command line names
    model = create_model("Job", __config__={"extra": "forbid"}, **items)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}


def main() -> None:
    """Print it."""
    print(json.dumps(job_schema(), indent=1))


if __name__ == "__main__":
    main()
