"""`python -m tools.provision [venv] [temporal] [test-server]`: all of them by default.

`cluster` and `promtool`, for operators, only when they are named.
`python -m tools.provision paths` says where the programs are.
"""

import sys
from collections.abc import Callable
from typing import Final

from tools.provision.console import Failed, say
from tools.provision.operations import ensure_cluster, ensure_promtool
from tools.provision.places import paths
from tools.provision.servers import ensure_temporal, ensure_test_server
from tools.provision.venv import ensure_venv


def show_paths() -> None:
    """One `name=path` a line; nothing after the `=` for what is not there."""
    found = paths()
    say(f"temporal={found.temporal or ''}")
    say(f"test-server={found.test_server or ''}")
    say(f"temporal-server={found.temporal_server or ''}")
    say(f"promtool={found.promtool or ''}")


STEPS: Final[dict[str, Callable[[], None]]] = {
    "venv": ensure_venv,
    "temporal": ensure_temporal,
    "test-server": ensure_test_server,
}
OPERATORS: Final[dict[str, Callable[[], None]]] = {
    "cluster": ensure_cluster,
    "promtool": ensure_promtool,
}
COMMANDS: Final = STEPS | OPERATORS | {"paths": show_paths}


def main(names: list[str]) -> int:
    """0; 1 when a step fails, after the others were tried; 2 for an unknown name; 130 by Ctrl-C."""
    unknown = [name for name in names if name not in COMMANDS]
    if unknown:
        say(f"provision: no step {unknown[0]}; there are {', '.join(COMMANDS)}")
        return 2
    code = 0
    try:
        for name in names or STEPS:
            code = max(code, attempt(COMMANDS[name]))
    except KeyboardInterrupt:
        say("provision: stopped; what is whole is kept")
        return 130
    return code


def attempt(step: Callable[[], None]) -> int:
    """1 when the step fails, with its reason said."""
    try:
        step()
    except Failed as failed:
        say(f"provision: {failed}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
