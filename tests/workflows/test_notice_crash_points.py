"""The API dies while WeChat Pay notifies it: what was acknowledged is held, and what was not comes
again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from temporalio.client import WorkflowExecutionStatus

from db.engine import Database
from tests.shop import APPROVE, Shop, opened, order_body, told, wall_clock
from tests.workflows.books import books_of
from tests.workflows.conftest import held_to_account, real_server
from tests.workflows.doomed import Fate, mortal
from tests.workflows.hands import ASK_AGAIN_S, insist, patiently
from tests.workflows.notice_points import OF_A_LATE_PAYMENT, OF_A_PAYMENT, OF_A_REFUND, plant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CASES: Final = [
    (name, point)
    for name, points in (
        ("pays", OF_A_PAYMENT),
        ("is refunded", OF_A_REFUND),
        ("pays after it was closed", OF_A_LATE_PAYMENT),
    )
    for point in points
]
ENDS: Final = {"pays": "AWAITING_SHIPMENT"}
SOONER: Final = 5
"""WeChat Pay's repeats come so many times sooner."""


@pytest.fixture(scope="module")
def numbers() -> dict[tuple[str, str], str]:
    """An order for each case."""
    return {case: f"notice{place:02d}" for place, case in enumerate(CASES)}


@pytest.fixture(scope="module")
async def told_shop(
    database: Database,
    tmp_path_factory: pytest.TempPathFactory,
    numbers: dict[tuple[str, str], str],
) -> AsyncIterator[Shop]:
    """A shop whose API dies at the point of each order, when every story has been told."""
    folder = tmp_path_factory.mktemp("shop")
    died = folder / "died"
    died.touch()
    fate = Fate({number: point for (_, point), number in numbers.items()}, died)
    async with (
        real_server() as there,
        opened(
            there.client, database, folder, there.sleep, wall_clock, mortal(plant, fate)
        ) as shop,
    ):
        await shop.control("clock", scale=SOONER)
        async with asyncio.TaskGroup() as tellers:
            for (name, _), number in numbers.items():
                tellers.create_task(tell(shop, name, number))
        while set(died.read_text().split()) != set(numbers.values()):
            await asyncio.sleep(ASK_AGAIN_S)
        await patiently(shop, "/v1/orders", bool)
        yield shop
        await held_to_account(shop)


async def tell(shop: Shop, name: str, number: str) -> None:
    """The story of one order, with a hand that repeats what got no answer."""
    order = f"/v1/orders/{number}"
    await insist(shop, "shop", f"place-{number}", "/v1/orders", order_body(number))
    if name == "pays after it was closed":
        await insist(shop, "shop", f"close-{number}", f"{order}/close")
        while (await shop.handle(f"order-{number}").describe()).status is RUNNING:
            await asyncio.sleep(ASK_AGAIN_S)
    await shop.pay(number)
    if name == "is refunded":
        await patiently(shop, order, lambda found: found["state"] == "AWAITING_SHIPMENT")
        applied = {"type": "REFUND_ONLY", "reason_code": "NO_REASON", "reason": "不想要了"}
        case = await insist(shop, "shop", f"apply-{number}", f"{order}/after-sales", applied)
        for desk in ("merchant", "platform"):
            review = f"/v1/after-sales/{case['case_no']}/{desk}-review"
            await insist(shop, desk, f"{desk}-{number}", review, APPROVE)
    await patiently(shop, order, lambda found: has_ended(name, found))


RUNNING: Final = WorkflowExecutionStatus.RUNNING


def has_ended(name: str, order: Any) -> bool:
    """Whether the order and its case are where they should come to."""
    cases = [case["state"] for case in order["after_sales"]]
    done = [] if name == "pays" else ["COMPLETED"]
    return (order["state"], cases) == (ENDS.get(name, "CLOSED"), done)


@pytest.mark.parametrize(("name", "point"), CASES)
async def test_what_wechat_pay_tells_counts_once(
    told_shop: Shop, numbers: dict[tuple[str, str], str], name: str, point: str
) -> None:
    number, is_late = numbers[name, point], name == "pays after it was closed"
    order = await told_shop.order_of(number)
    assert has_ended(name, order), order
    assert told(order).count("PAID") == (not is_late)
    truth = await told_shop.truth()
    moves = [row["money_moves"] for row in truth["refunds"] if row["out_trade_no"] == number]
    assert moves == ([] if name == "pays" else [1])
    kinds, left = await books_of(told_shop, number)
    assert (kinds["PAYMENT"], kinds["UNOWED_PAYMENT"]) == (not is_late, is_late)
    assert kinds["REFUND_PAID"] == len(moves)
    assert left["suspense"] == left["refund_payable"] == 0
