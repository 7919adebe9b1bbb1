"""Where a worker can die on the way of a refund."""

import asyncio
import functools
from contextvars import ContextVar
from typing import Any, Final

from activities.channel import Channel
from activities.records import Records
from db import records, reservations
from domain.messages import Batch
from domain.refund import Intent
from tests.workflows.doomed import Fate, around, die
from wechat.client import WeChatPay

IN_FLIGHT_S: Final = 0.3
REPLIES: Final = {"ACCEPTED", "OUTCOME_UNKNOWN", "REFUSED"}

POINTS: Final = (
    "before the intent is stored",
    "while the intent is stored",
    "after the intent is stored",
    "before the refund is sent",
    "after the refund is sent",
    "before the reply is stored",
    "after the reply is stored",
    "before the outcome is written",
    "after the outcome is written",
    "before the refund is asked about",
    "after the refund is asked about",
    "before the books are written",
    "while the books are written",
    "after the books are written",
)

_order: ContextVar[str] = ContextVar("order", default="")


def plant(fate: Fate) -> None:
    """All of them."""
    _plant_in_tables(fate)
    _plant_in_channel(fate)


def _plant_in_tables(fate: Fate) -> None:
    """Around what is written, and inside its transactions."""
    reserve, record = reservations.reserve, records.apply

    def reserve_and_die(session: Any, wanted: Any) -> Any:
        made = reserve(session, wanted)
        if fate.meets(wanted.case.out_trade_no, "while the intent is stored"):
            die()
        return made

    def record_and_die(session: Any, batch: Batch, now: Any) -> None:
        record(session, batch, now)
        if batch.bookings and fate.meets(_of_refund(batch), "while the books are written"):
            die()

    reservations.reserve, records.apply = reserve_and_die, record_and_die
    around(Records, "reserve_refund", fate, "the intent is stored", lambda a: a.case.out_trade_no)
    around(Records, "record", fate, "the outcome is written", _of_reply)
    around(Records, "record", fate, "the books are written", _of_books)


def _plant_in_channel(fate: Fate) -> None:
    """Around calls to WeChat Pay, and what they answered."""
    note, refund, ask = Channel._note, WeChatPay.refund, WeChatPay.refund_query

    async def note_and_die(
        self: Channel, intent: Intent, call: str, outcome: str, message: str
    ) -> None:
        if call != "refund":
            return await note(self, intent, call, outcome, message)
        await fate.stand(intent.out_trade_no, "before the reply is stored")
        await note(self, intent, call, outcome, message)
        await fate.stand(intent.out_trade_no, "after the reply is stored")

    async def refund_and_die(self: WeChatPay, **call: Any) -> Any:
        number = _order.get()
        await fate.stand(number, "before the refund is sent")
        sent = asyncio.create_task(refund(self, **call))
        await asyncio.wait([sent], timeout=IN_FLIGHT_S)
        await fate.stand(number, "after the refund is sent")
        return await sent

    async def ask_and_die(self: WeChatPay, **call: Any) -> Any:
        await fate.stand(_order.get(), "before the refund is asked about")
        try:
            return await ask(self, **call)
        finally:
            await fate.stand(_order.get(), "after the refund is asked about")

    Channel._note = note_and_die  # type: ignore[method-assign]
    WeChatPay.refund = refund_and_die  # type: ignore[method-assign]
    WeChatPay.refund_query = ask_and_die  # type: ignore[method-assign]
    for name in ("submit_refund", "ask_refund"):
        _remember_order(name)


def _remember_order(name: str) -> None:
    act = getattr(Channel, name)

    @functools.wraps(act)
    async def acting(self: Channel, argument: Any, *more: Any) -> Any:
        _order.set(getattr(argument, "intent", argument).out_trade_no)
        return await act(self, argument, *more)

    setattr(Channel, name, acting)


def _of_refund(batch: Batch) -> str:
    return batch.out_trade_no if batch.refund else ""


def _of_reply(batch: Batch) -> str:
    said = {note.entry.event for note in batch.notes}
    return batch.out_trade_no if batch.refund and said & REPLIES else ""


def _of_books(batch: Batch) -> str:
    return _of_refund(batch) if batch.bookings else ""
