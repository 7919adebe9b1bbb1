"""Where a worker can die on the way of a payment: the buyer may pay, pays, or never does."""

import functools
from collections.abc import Mapping
from typing import Any, Final

from activities.records import Records
from db import records
from domain.messages import Batch
from domain.timeline import Subject
from tests.workflows.doomed import Fate, around, die
from wechat.client import WeChatPay

CALLED: Final[Mapping[str, str]] = {
    "unified_order": "the buyer may pay",
    "order_query": "WeChat Pay is asked",
    "close_order": "WeChat Pay closes it",
}
"""A call → the boundary around it."""
WRITTEN: Final[Mapping[str, str]] = {
    "PLACED": "the order is written",
    "PAID": "the payment is written",
    "CLOSED_UNPAID": "the closing is written",
    "SECOND_PAYMENT": "the sending back is written",
}
"""An event on the order's timeline → the boundary around the transaction that writes it."""
SIDES: Final = ("before", "while", "after")


def plant(fate: Fate) -> None:
    """All of them."""
    for name, point in CALLED.items():
        _plant_in_call(fate, name, point)
    record = records.apply

    def record_and_die(session: Any, batch: Batch, now: Any) -> None:
        record(session, batch, now)
        for point in set(WRITTEN.values()):
            if fate.meets(_writes(point, batch), f"while {point}"):
                die()

    records.apply = record_and_die
    for point in set(WRITTEN.values()):
        around(Records, "record", fate, point, functools.partial(_writes, point))


def _plant_in_call(fate: Fate, name: str, point: str) -> None:
    call = getattr(WeChatPay, name)

    async def call_and_die(self: WeChatPay, **given: Any) -> Any:
        number = given["out_trade_no"]
        await fate.stand(number, f"before {point}")
        try:
            return await call(self, **given)
        finally:
            await fate.stand(number, f"after {point}")

    setattr(WeChatPay, name, call_and_die)


def _writes(point: str, batch: Batch) -> str:
    """The order that comes to this boundary with this batch; none otherwise."""
    told = {WRITTEN.get(note.entry.event) for note in batch.notes if note.subject is Subject.ORDER}
    return batch.out_trade_no if point in told else ""
