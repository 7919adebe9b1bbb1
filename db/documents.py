"""Domain values as JSON documents, and back."""

from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


def dump(value: object) -> Any:
    """Plain JSON data."""
    return _adapter(type(value)).dump_python(value, mode="json")


def load(kind: type[T], document: object) -> T:
    """The value again."""
    value: T = _adapter(kind).validate_python(document)
    return value


_adapters: dict[object, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]
