"""`python -m bench quick | core | all`: measure, print one table, write it into the pages."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.console import Console

from bench import acknowledgement, cost, growth, orders, pages, price, quota, startup, waiting
from bench.cost import Spent
from bench.figures import Section, table
from bench.plant import plant
from tools.supervisor import end_like_ctrl_c

Say = Callable[[str], None]


class Unexpected(Exception):
    """A count is not what it should be."""


def quick(say: Say) -> list[Section]:
    """The exact counts, held against what they should be; writes no page."""
    spent = _spent(say)
    for name, one in spent.items():
        say(f"{name}: {cost.by_type(one)}")
    wrong = cost.differences(spent)
    if wrong:
        raise Unexpected("\n".join(wrong))
    return [cost.section(spent)]


def _spent(say: Say) -> dict[str, Spent]:
    with plant(say, policies=cost.POLICIES) as made:
        return asyncio.run(cost.measure(made))


def _cost(say: Say) -> list[Section]:
    spent = _spent(say)
    return [cost.section(spent), price.section(spent)]


def _acknowledgement(say: Say) -> Section:
    with plant(say) as made:
        return asyncio.run(acknowledgement.measure(made, acknowledgement.Size()))


def _orders(say: Say) -> Section:
    with plant(say, rivals=orders.RIVALS) as made:
        return asyncio.run(orders.measure(made, orders.Size()))


def _waiting(say: Say) -> Section:
    with plant(say, policies=waiting.POLICIES) as made:
        return asyncio.run(waiting.measure(made, waiting.Size()))


def _growth(say: Say) -> list[Section]:
    with plant(say, workers=2) as made:
        return asyncio.run(growth.measure(made, growth.Size()))


def _quota(say: Say) -> Section:
    with plant(say) as made:
        return asyncio.run(quota.measure(made, quota.Size()))


MEASURES: Final[Mapping[str, Callable[[Say], Sequence[Section]]]] = {
    "cost": _cost,
    "acknowledgement": lambda say: [_acknowledgement(say)],
    "orders": lambda say: [_orders(say)],
    "waiting": lambda say: [_waiting(say)],
    "growth": _growth,
    "quota": lambda say: [_quota(say)],
    "startup": lambda say: [startup.measure(say)],
}
CORE: Final = ("cost", "acknowledgement", "orders", "startup")
PRINTED_WIDTH: Final = 160


def main(arguments: list[str]) -> int:
    """0 when all was measured (and, for `quick`, as it should be); else 1."""
    end_like_ctrl_c()
    asked = _asked(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PRINTED_WIDTH)
    try:
        sections = quick(console.print) if asked == "quick" else measured(asked, console.print)
    except Unexpected as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 1
    console.print(table(sections))
    return 0


def measured(asked: str, say: Say) -> list[Section]:
    """What was asked for, one after the other, each written down as soon as it is known."""
    names = {"core": CORE, "all": tuple(MEASURES)}.get(asked, (asked,))
    sections: list[Section] = []
    for name in names:
        say(f"measuring: {name}")
        made = MEASURES[name](say)
        pages.write(made)
        sections += made
    return sections


def _asked(arguments: list[str]) -> str:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", choices=["quick", "core", "all", *MEASURES])
    asked: str = parser.parse_args(arguments).what
    return asked


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # The SDK can abort an interpreter that ends after all is done (sdk-python#300).
    os._exit(code)
