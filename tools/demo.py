"""`make demo`: the sample shop day in a temporary directory, checked to the fen."""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.table import Table

from tools import shop_day
from tools.shop_day import WHO, Played
from tools.stack import Stack
from tools.supervisor import StackError, end_like_ctrl_c

PRINTED_WIDTH: Final = 140
"""Of a table that goes to a file or a pipe, which have none."""


def main() -> int:
    """0 when every story ended as expected and the money agrees; else 1 (2: a wrong setting)."""
    end_like_ctrl_c()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PRINTED_WIDTH)
    start = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="wechat-order-flow-") as folder,
            Stack.apart(Path(folder), say=console.print) as stack,
        ):
            played = asyncio.run(shop_day.play(stack, lambda one: progress(console, one)))
            balanced = is_balanced(stack.base_url)
            bill = asyncio.run(shop_day.reconcile(stack.base_url))
    except KeyboardInterrupt:
        return 1
    except StackError as error:
        console.print(f"make demo: {error}", style="red", markup=False, soft_wrap=True)
        return error.exit_code
    console.print(table(played))
    return verdict(console, played, balanced, bill, time.monotonic() - start)


def progress(console: Console, one: Played) -> None:
    """One line as a story ends."""
    mark, style = ("✓", "green") if one.ok else ("✗", "red")
    console.print(f"{mark} {one.name}", style=style)


def table(played: list[Played]) -> Table:
    """The day, a line for each story."""
    made = Table(title="The sample shop day", title_justify="left")
    made.add_column("scenario")
    made.add_column("what happened", overflow="fold")
    for name in ("events", "seconds"):
        made.add_column(name, justify="right")
    made.add_column("agrees with WeChat")
    for one in played:
        agreed = "yes" if one.agreed else "NO"
        made.add_row(one.name, one.told, str(one.events), f"{one.seconds:.1f}", agreed)
    return made


def is_balanced(base_url: str) -> bool:
    """Whether the trial balance is zero."""
    headers = {"Authorization": f"Bearer {WHO['finance']}"}
    reply = httpx.get(f"{base_url}/v1/ledger/trial-balance", headers=headers)
    balanced: bool = reply.json()["balanced"]
    return balanced


def verdict(
    console: Console, played: list[Played], balanced: bool, bill: str, seconds: float
) -> int:
    """The last line, and the exit code."""
    wrong = [one for one in played if not one.ok]
    console.print(
        f"{len(played) - len(wrong)} of {len(played)} as expected; trial balance"
        f" {'zero' if balanced else 'NOT ZERO'}; against WeChat's bill: {bill}; {seconds:.0f} s"
    )
    return 0 if balanced and bill == "SETTLED" and not wrong else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The SDK can abort an interpreter that ends after all is done (sdk-python#300).
    os._exit(code)
