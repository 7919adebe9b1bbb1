"""The worker dies at each point of a refund, whatever WeChat Pay made of the call: the money moves
once, under one number, and the books agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pytest

from tests.shop import Shop
from tests.workflows.books import books_of
from tests.workflows.doomed import Fate, on_one_database, wear_out
from tests.workflows.refund_points import POINTS, plant
from tests.workflows.stuck import again

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), on_one_database]

OUTCOMES: Final[Mapping[str, dict[str, str]]] = {
    "accepted": {},
    "accepted, notified first": {"fault": "notify_early"},
    "refused": {"fault": "refuse", "err_code": "USER_ACCOUNT_ABNORMAL"},
    "refused for now": {"fault": "not_enough"},
    "reply lost": {"fault": "reply_lost"},
    "connection reset": {"fault": "reset"},
    "timeout, done": {"fault": "timeout_done"},
    "timeout, not done": {"fault": "timeout_not_done"},
    "SYSTEMERROR, done": {"fault": "system_error_done"},
    "SYSTEMERROR, not done": {"fault": "system_error"},
    "reply forged": {"fault": "bad_signature"},
}
INSIDE: Final = ("accepted", "reply lost")
"""Enough for points inside a transaction: each is a death of its own."""
CASES: Final = [
    (point, outcome)
    for point in POINTS
    for outcome in (INSIDE if point.startswith("while") else OUTCOMES)
]
UNHEARD: Final = (
    "after the refund is sent", "before the reply is stored", "after the reply is stored",
)  # fmt: skip
"""A refusal that dies with its worker is no refusal: the same number is sent again."""


@dataclass(frozen=True)
class Refunded:
    """One order at one point with one outcome."""

    no: str
    case_no: str


Crashed = dict[tuple[str, str], Refunded]


@pytest.fixture(scope="module")
async def crashed(real_shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Crashed:
    """Every order approved, its worker dead at its point, and come to its end all the same."""
    made = {case: await prepared(real_shop, OUTCOMES[case[1]]) for case in CASES}
    died = tmp_path_factory.mktemp("fates") / "died"
    died.touch()
    fate = Fate({one.no: point for (point, _), one in made.items()}, died)
    await real_shop.workers.stop()
    for one in made.values():
        await real_shop.signal(one.case_no, "approve", {"stage": "platform", "reviewer": "Ping"})
    cases = [one.case_no for one in made.values()]
    await wear_out(real_shop, plant, fate, lambda: are_settled(real_shop, cases))
    await real_shop.workers.start()
    for (_, outcome), one in made.items():
        if outcome == "refused":
            await again(real_shop, one.case_no)
    return made


async def prepared(shop: Shop, fault: dict[str, str]) -> Refunded:
    """A paid order with a case on the platform's desk."""
    number = await shop.paid()
    case_no = await shop.apply(number)
    if fault:
        await shop.control("faults", call="refund", number=f"{case_no}-1", **fault)
    await shop.approve(case_no, "merchant")
    return Refunded(number, case_no)


async def are_settled(shop: Shop, cases: list[str]) -> bool:
    """Whether each is refunded and its order closed, or waits for a person."""
    while cases and await is_settled(shop, cases[-1]):
        cases.pop()
    return not cases


async def is_settled(shop: Shop, case_no: str) -> bool:
    case = await shop.case_of(case_no)
    if case["state"] == "COMPLETED":
        return bool((await shop.order_of(case["out_trade_no"]))["state"] == "CLOSED")
    return bool(case["state"] == "REFUND_ABNORMAL")


@pytest.mark.parametrize(("point", "outcome"), CASES)
async def test_the_money_moves_once(
    real_shop: Shop, crashed: Crashed, point: str, outcome: str
) -> None:
    one = crashed[point, outcome]
    await real_shop.case_is(one.case_no, "COMPLETED")
    await real_shop.order_is(one.no, "CLOSED")
    rows = [row for row in (await real_shop.truth())["refunds"] if row["out_trade_no"] == one.no]
    number = f"{one.case_no}-{2 if outcome == 'refused' and point not in UNHEARD else 1}"
    assert [(row["out_refund_no"], row["money_moves"]) for row in rows] == [(number, 1)]
    await books_agree(real_shop, one.no)


async def books_agree(shop: Shop, number: str) -> None:
    """Paid and refunded once each; nothing is owed, held or in suspense for the order."""
    kinds, left = await books_of(shop, number)
    assert (kinds["PAYMENT"], kinds["REFUND_PAID"]) == (1, 1)
    assert left["channel_clearing"] + left["channel_fee_expense"] == 0
    for name in ("escrow_goods", "escrow_freight", "refund_payable"):
        assert left[name] == 0
