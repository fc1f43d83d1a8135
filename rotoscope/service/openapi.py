"""The description of the service for programs: an OpenAPI 3.1 document."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from rotoscope.base.options import SteadyMethod, SteadyOptions
from rotoscope.service.media_types import CLIPS, PICTURES
from rotoscope.service.options import ServeOptions

ERRORS = {
    "400": "An option or the body is not accepted.",
    "401": "The token is missing or wrong.",
    "404": "There is no such clip.",
    "408": "The file did not arrive in time.",
    "409": "The clip is not finished.",
    "413": "The file, its picture or its length is beyond the limits.",
    "415": "The Content-Type is not accepted.",
    "422": "The file cannot be read, or is of another kind than it says.",
    "429": "The queue is full; Retry-After says when to try again.",
    "500": "The file could not be translated.",
    "503": "The service is stopping.",
    "504": "The translation took longer than the limit.",
}
API_VERSION = "1"  # of the requests, not of the program
UPLOAD_ERRORS = ("400", "401", "408", "413", "415", "429", "503")


def openapi(models: Sequence[str], limits: ServeOptions) -> dict[str, Any]:
    """The document, as JSON values."""
    text = {"200": {"description": "As the summary says.", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    clip = {"description": "The clip.", "content": {"application/json": {"schema": _ref("Clip")}}}
    id_ = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    result = {"description": "The translated clip, of the type that was sent.", "content": _files(CLIPS)}
    painted = {"description": "The translated picture, of the type that was sent.", "content": _files(PICTURES)}
    options = _options(models)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rotoscope",
            "version": API_VERSION,
            "description": f"Translates pictures of at most {limits.picture_mb:g} MB and clips of at most "
            f"{limits.clip_mb:g} MB and {limits.clip_seconds:g} seconds, both of at most {limits.megapixels:g} million pixels.",
        },
        "paths": {
            "/pictures": {
                "post": _operation(
                    "Translate a picture; the answer comes when it is done.",
                    {"200": painted, **_errors(*UPLOAD_ERRORS, "422", "500")},
                    parameters=options,
                    requestBody={"required": True, "content": _files(PICTURES)},
                )
            },
            "/clips": {
                "post": _operation(
                    "Send a clip; its address is in the header Location, and in the answer.",
                    {"202": clip, **_errors(*UPLOAD_ERRORS)},
                    parameters=options,
                    requestBody={"required": True, "content": _files(CLIPS)},
                )
            },
            "/clips/{id}": {
                "get": _operation("Say how far a clip is.", {"200": clip, **_errors("401", "404")}, parameters=[id_]),
                "delete": _operation(
                    "End and forget a clip.",
                    {"204": {"description": "It is gone."}, **_errors("401", "404")},
                    parameters=[id_],
                ),
            },
            "/clips/{id}/result": {
                "get": _operation(
                    "Get the translated clip.",
                    {"200": result, **_errors("401", "404", "409", "422", "500", "504")},
                    parameters=[id_],
                )
            },
            "/models": {
                "get": _operation(
                    "List the models; the first one is the default.",
                    {
                        "200": {
                            "description": "The names.",
                            "content": {"application/json": {"schema": _ref("Models")}},
                        },
                        **_errors("401"),
                    },
                )
            },
            "/openapi.json": {
                "get": _operation(
                    "Get this document.",
                    {
                        "200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object"}}}},
                        **_errors("401"),
                    },
                )
            },
            "/livez": {"get": _operation("Say ok while the service answers.", text, security=[])},
            "/readyz": {
                "get": _operation("Say ok while jobs are taken.", {**text, **_errors("503")}, security=[]),
            },
            "/metrics": {"get": _operation("Get the metrics, for Prometheus.", text, security=[])},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Clip": _object(
                    {
                        "id": {"type": "string"},
                        "state": {"enum": ["uploading", "waiting", "running", "done", "failed"]},
                        "frames_done": {"type": "integer"},
                        "frames_total": {"type": ["integer", "null"]},
                        "seconds": {"type": "number"},
                        "error": {"type": ["string", "null"]},
                        "result": {"type": "string", "description": "Path of the result; only in the state done."},
                    },
                    optional=("result",),
                ),
                "Error": _object({"error": {"type": "string"}}),
                "Models": _object({"models": {"type": "array", "items": {"type": "string"}}}),
            },
        },
        "security": [{"token": []}] if limits.token is not None else [],
    }


def _options(models: Sequence[str]) -> list[dict[str, Any]]:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    schemas: dict[str, tuple[str, dict[str, Any]]] = {
        "model": ("The model.", {"enum": list(models), "default": models[0]}),
        "working_size": ("Size that the network sees: WIDTHxHEIGHT, or 360p for the shorter side.", {"type": "string"}),
        "steady": ("How flicker is reduced; by default as the model says.", {"enum": list(get_args(SteadyMethod))}),
        "strength": ("Of blend: 0 as off, 1 steadiest.", {**share, "default": SteadyOptions().strength}),
        "mix": ("Share of the source in the result.", {**share, "default": 0}),
    }
    return [
        {"name": name, "in": "query", "description": text, "schema": schema} for name, (text, schema) in schemas.items()
    ]


def _operation(summary: str, responses: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"summary": summary, "responses": dict(responses), **more}


def _errors(*statuses: str) -> dict[str, Any]:
    return {
        status: {"description": ERRORS[status], "content": {"application/json": {"schema": _ref("Error")}}}
        for status in statuses
    }


def _files(kinds: Mapping[str, str]) -> dict[str, Any]:
    return {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Mapping[str, Any], *, optional: Sequence[str] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required}
