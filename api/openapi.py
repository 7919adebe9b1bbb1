"""What `/docs` says beyond the routes themselves: problems, and the key of every command."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong; `code` is stable.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "field": {"type": "string", "description": "the field that is meant"},
        "errors": {"type": "array", "items": {"type": "object"}},
        "due": {"type": "object", "description": "what is left would come to this, in fen"},
        "request_id": {"type": "string", "description": "where the log tells more"},
    },
}
STATUSES = {
    "400": "Not a body that can be read, or no Idempotency-Key",
    "401": "No token, or an unknown one",
    "403": "The role may not do this",
    "404": "There is none that you may see",
    "405": "Not by this method",
    "408": "The body came too slowly",
    "409": "Not possible now",
    "413": "The body is too long",
    "422": "A field makes no sense; `field` names it",
    "429": "Too many unknown tokens from this address; `Retry-After`",
    "500": "A fault of ours; the log has `request_id`",
    "503": "Away for a moment; `Retry-After`, then repeat with the same Idempotency-Key",
}
OPEN_TO_ALL = ("405", "500", "503")
METHODS = frozenset({"get", "put", "post"})


def install(app: FastAPI) -> None:
    """Let the application describe itself so."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _told(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _told(schema: dict[str, Any]) -> dict[str, Any]:
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for made_by_fastapi in ("HTTPValidationError", "ValidationError"):
        schemas.pop(made_by_fastapi, None)
    schemas["Problem"] = PROBLEM
    for path, operation in _operations(schema):
        statuses = STATUSES if "security" in operation else OPEN_TO_ALL
        operation["responses"].pop("422", None)
        for status in statuses:
            operation["responses"].setdefault(status, _problem(STATUSES[status]))
        _ask_for_key(path, operation)
    return schema


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, operation


def _problem(description: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content}


def _ask_for_key(path: str, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["name"] == "idempotency-key":
            parameter["required"] = path.startswith("/v1")
            parameter["name"] = "Idempotency-Key"
            parameter["description"] = "New for every new command; the same for every repeat of it"
            parameter["schema"] = {"type": "string", "minLength": 1, "maxLength": 255}
