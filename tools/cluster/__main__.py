"""`make cluster`: the topology of docker-compose.yml as processes, tried while parts are killed."""

import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tools.cluster.parts import Cluster
from tools.cluster.trial import Outcome, trial
from tools.demo import progress, table
from tools.shop_day import STORIES
from tools.supervisor import StackError, end_like_ctrl_c

SMALL = ("day-completed", "day-unshipped", "day-late-payment", "day-o1")


def main(arguments: list[str]) -> int:
    """0 when every story ended as expected in spite of the kills; `--small` plays a few."""
    end_like_ctrl_c()
    console = Console(highlight=False)
    chosen = SMALL if "--small" in arguments else tuple(STORIES)
    start = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="wechat-order-flow-") as folder,
            Cluster(_open_to_others(Path(folder)), console.print) as cluster,
        ):
            stories = {number: STORIES[number] for number in chosen}
            outcome = trial(cluster, stories, console.print, lambda one: progress(console, one))
    except KeyboardInterrupt:
        return 1
    except StackError as error:
        console.print(f"make cluster: {error}", style="red", markup=False, soft_wrap=True)
        return error.exit_code
    return verdict(console, outcome, time.monotonic() - start)


def verdict(console: Console, outcome: Outcome, seconds: float) -> int:
    """The table, the last lines, and the exit code."""
    console.print(table(outcome.played))
    wrong = [one for one in outcome.played if not one.ok]
    for one in wrong:
        console.print(f"{one.name}: {one.problem}", style="red", markup=False)
    console.print(f"killed meanwhile: {', '.join(outcome.killed) or 'nothing'}")
    console.print(
        f"{len(outcome.played) - len(wrong)} of {len(outcome.played)} as expected on two APIs, two"
        f" workers, Temporal and PostgreSQL; trial balance"
        f" {'zero' if outcome.balanced else 'NOT ZERO'}; {seconds:.0f} s"
    )
    return 0 if outcome.ok else 1


def _open_to_others(folder: Path) -> Path:
    # Root's PostgreSQL runs as another user, who has to reach its folder.
    folder.chmod(0o755)
    return folder


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # The SDK can abort an interpreter that ends after all is done (sdk-python#300).
    os._exit(code)
