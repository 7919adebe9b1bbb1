"""The worker dies at each point of a payment: an order is paid once, or closed once; what nobody
owes goes back once; and the books agree."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.shop import Shop, order_body, told
from tests.workflows.books import books_of
from tests.workflows.doomed import Fate, on_one_database, wear_out
from tests.workflows.hands import insist, patiently
from tests.workflows.payment_points import SIDES, plant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), on_one_database]

PAID: Final = 380


@dataclass(frozen=True)
class Story:
    """What the buyer does, and the boundaries on the way.

    `faults` are WeChat Pay's, each a call and what goes wrong with it; `ends` is the order's last
    state; `owed` how many payments the order keeps; one more `sends_back`.
    """

    calls: tuple[str, ...]
    writes: tuple[str, ...]
    faults: tuple[str, ...]
    ends: str
    owed: int = 0
    sends_back: bool = False

    def points(self) -> list[str]:
        """Before and after each call, before, in and after each transaction."""
        called = [f"{side} {one}" for one in self.calls for side in ("before", "after")]
        return [*called, *(f"{side} {one}" for one in self.writes for side in SIDES)]


NONE: Final = "none"
STORIES: Final[Mapping[str, Story]] = {
    "pays": Story(
        ("the buyer may pay",),
        ("the order is written", "the payment is written"),
        (
            NONE,
            "unifiedorder reply_lost",
            "unifiedorder system_error_done",
            "pay_notify notify_duplicate",
            "pay_notify notify_answer_lost",
        ),
        "AWAITING_SHIPMENT",
        owed=1,
    ),
    "pays, and nobody is told": Story(
        ("WeChat Pay is asked",),
        ("the payment is written",),
        (NONE, "orderquery reply_lost", "orderquery system_error"),
        "AWAITING_SHIPMENT",
        owed=1,
    ),
    "never pays": Story(
        ("WeChat Pay is asked", "WeChat Pay closes it"),
        ("the closing is written",),
        (NONE, "closeorder reply_lost", "closeorder system_error"),
        "CLOSED",
    ),
    "pays twice": Story(
        (),
        ("the sending back is written",),
        (NONE, "refund reply_lost"),
        "AWAITING_SHIPMENT",
        owed=1,
        sends_back=True,
    ),
}
CASES: Final = [
    (name, point, fault)
    for name, story in STORIES.items()
    for point in story.points()
    for fault in story.faults
]


@dataclass
class Told:
    """One order at one point with one fault; `over` once its story has been told."""

    no: str
    over: bool = field(default=False)


Crashed = dict[tuple[str, str, str], Told]


@pytest.fixture(scope="module")
async def crashed(real_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Crashed:
    """Every story told to its end while its worker dies at its point."""
    made = {case: Told(f"crash{place:04d}") for place, case in enumerate(CASES)}
    died = tmp_path_factory.mktemp("fates") / "died"
    died.touch()
    fate = Fate({one.no: point for (_, point, _), one in made.items()}, died)
    for (_, _, fault), one in made.items():
        if fault != NONE:
            call, how = fault.split()
            number = back(one) if call == "refund" else one.no
            await real_shop.control("faults", call=call, fault=how, number=number)
    await real_shop.workers.stop()
    async with asyncio.TaskGroup() as tellers:
        for (name, _, _), one in made.items():
            tellers.create_task(tell(real_shop, name, one))
        await wear_out(real_shop, plant, fate, lambda: are_over(made, died))
    await real_shop.workers.start()
    return made


async def are_over(made: Crashed, died: Path) -> bool:
    """Whether each story is told, and each has died: what was written is seen before that."""
    return all(one.over for one in made.values()) and (
        {one.no for one in made.values()} == set(died.read_text().split())
    )


async def tell(shop: Shop, name: str, one: Told) -> None:
    """The story of one order, with a hand that repeats what got no answer."""
    order = f"/v1/orders/{one.no}"
    await insist(shop, "shop", f"place-{one.no}", "/v1/orders", order_body(one.no))
    if name == "pays, and nobody is told":
        await shop.pay(one.no, transaction_id=transaction(one), notify=False)
    if name in ("pays, and nobody is told", "never pays"):
        await insist(shop, "shop", f"close-{one.no}", f"{order}/close")
    if name in ("pays", "pays twice"):
        await shop.pay(one.no)
        await patiently(shop, order, lambda found: found["state"] == "AWAITING_SHIPMENT")
    if STORIES[name].sends_back:
        await shop.pay(one.no, transaction_id=transaction(one))
    await patiently(shop, order, lambda found: has_ended(STORIES[name], found))
    one.over = True


def has_ended(story: Story, order: Any) -> bool:
    """Whether the order and what is sent back of it are where they should come to."""
    cases = [case["state"] for case in order["after_sales"]]
    return bool(order["state"] == story.ends) and cases == ["COMPLETED"] * story.sends_back


def transaction(one: Told) -> str:
    """WeChat Pay's number of the payment that is told by name."""
    return f"42{one.no}"


def back(one: Told) -> str:
    """The refund number under which a payment that nobody owes goes back."""
    return f"second-{transaction(one)}-1"


@pytest.mark.parametrize(("name", "point", "fault"), CASES)
async def test_it_is_paid_once_or_closed(
    real_shop: Shop, crashed: Crashed, name: str, point: str, fault: str
) -> None:
    story, one = STORIES[name], crashed[name, point, fault]
    order = await real_shop.order_of(one.no)
    assert has_ended(story, order), order
    told_once = ["PLACED", "PAID" if story.owed else "CLOSED_UNPAID"]
    told_once += ["SECOND_PAYMENT"] * story.sends_back
    assert [told(order).count(event) for event in told_once] == [1] * len(told_once)
    moved = [(row["out_refund_no"], row["money_moves"]) for row in await refunds(real_shop, one)]
    assert moved == ([(back(one), 1)] if story.sends_back else [])
    kinds, left = await books_of(real_shop, one.no)
    assert kinds["PAYMENT"] == story.owed
    assert kinds["UNOWED_PAYMENT"] == kinds["REFUND_PAID"] == story.sends_back
    assert left["escrow_goods"] + left["escrow_freight"] == -PAID * story.owed
    assert left["suspense"] == left["refund_payable"] == 0


async def refunds(shop: Shop, one: Told) -> list[Any]:
    """What WeChat Pay has refunded of an order."""
    rows = (await shop.truth())["refunds"]
    return [row for row in rows if row["out_trade_no"] == one.no]
