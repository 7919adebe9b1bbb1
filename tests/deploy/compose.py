"""docker-compose.yml as tests read it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OURS = ("api", "console", "worker", "migrations", "simulator")
VARIABLE = re.compile(r"\$\{(\w+)(:?[-?])([^}]*)\}")


def loaded(path: str) -> Any:
    """A YAML file of the tree."""
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def compose() -> dict[str, Any]:
    """The whole file, its aliases resolved and its variables not."""
    read: dict[str, Any] = loaded("docker-compose.yml")
    return read


def services() -> dict[str, Any]:
    """Name → service."""
    found: dict[str, Any] = compose()["services"]
    return found


def environment(service: str, given: Mapping[str, str]) -> dict[str, str]:
    """What a container of a service finds, with these variables set outside."""
    settings = services()[service].get("environment", {})
    return {name: interpolated(str(value), given) for name, value in settings.items()}


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """The text with its variables filled in; raises KeyError for one that must be set."""

    def value(found: re.Match[str]) -> str:
        name, operator, default = found.groups()
        is_there = bool(given.get(name)) if operator.startswith(":") else name in given
        if is_there:
            return given[name]
        if operator.endswith("?"):
            raise KeyError(name)
        return default

    return VARIABLE.sub(value, text).replace("$$", "$")
