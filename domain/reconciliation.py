"""A day against WeChat Pay's bill: what is missing on one side, and on what the two disagree."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.messages import RefundStatus, TradeState
from domain.refund import GIVEN_UP, RefundState

EDGE = timedelta(minutes=10)
"""Our clock and WeChat Pay's may put something this close to midnight on different days."""


class Item(StrEnum):
    """What a row of a bill is about."""

    PAYMENT = "PAYMENT"
    REFUND = "REFUND"


class Kind(StrEnum):
    """How a day and its bill can differ."""

    MISSING_HERE = "MISSING_HERE"
    """On the bill, but not in our tables."""
    MISSING_THERE = "MISSING_THERE"
    """In our tables, but not on the bill."""
    AMOUNT = "AMOUNT"
    STATE = "STATE"


class DayState(StrEnum):
    """How the reconciliation of a day stands."""

    RUNNING = "RUNNING"
    SETTLED = "SETTLED"
    """The bill and our tables agree."""
    OPEN = "OPEN"
    """They differ: a person must look."""
    FAILED = "FAILED"
    """The bill could not be had."""


Key = tuple[Item, str]
"""A payment by its transaction_id, a refund by its out_refund_no."""


@dataclass(frozen=True)
class Billed:
    """A row of the bill; fen, UTC.

    `state` is a TradeState or a RefundStatus; `fee` is WeChat Pay's, negative where given back.
    """

    item: Item
    number: str
    out_trade_no: str
    transaction_id: str
    fen: int
    state: str
    fee: int
    at: datetime
    sub_mch_id: str = ""

    @property
    def key(self) -> Key:
        """What both sides know it by."""
        return self.item, self.number


@dataclass(frozen=True)
class Ours:
    """A payment or refund as we have it; fen, UTC.

    `due_at` is when WeChat Pay took it, None where that is on no day of this bill, so that this
    bill need not show it.
    """

    item: Item
    number: str
    out_trade_no: str
    transaction_id: str
    merchant_id: str
    fen: int
    state: str
    due_at: datetime | None = None
    sub_mch_id: str = ""

    @property
    def key(self) -> Key:
        """What both sides know it by."""
        return self.item, self.number


@dataclass(frozen=True)
class Difference:
    """One disagreement; fen as each side has it, None where a side has nothing."""

    kind: Kind
    item: Item
    number: str
    out_trade_no: str
    merchant_id: str = ""
    our_fen: int | None = None
    their_fen: int | None = None
    our_state: str = ""
    their_state: str = ""


@dataclass(frozen=True)
class Book:
    """Both sides of a day, by what they are known by."""

    billed: Mapping[Key, Billed]
    ours: Mapping[Key, Ours]
    start: datetime
    end: datetime


AGREES: Mapping[RefundState, frozenset[RefundStatus]] = {
    RefundState.CREATED: frozenset({RefundStatus.NOT_FOUND}),
    RefundState.SUBMITTING: frozenset({RefundStatus.NOT_FOUND}),
    RefundState.UNKNOWN: frozenset({RefundStatus.NOT_FOUND}),
    RefundState.PROCESSING: frozenset({RefundStatus.PROCESSING}),
    RefundState.SUCCEEDED: frozenset({RefundStatus.SUCCEEDED}),
    RefundState.ABNORMAL: frozenset({RefundStatus.ABNORMAL}),
    RefundState.CLOSED: frozenset({RefundStatus.CLOSED, RefundStatus.NOT_FOUND}),
    RefundState.MANUAL_SETTLED: frozenset(
        {RefundStatus.CLOSED, RefundStatus.ABNORMAL, RefundStatus.NOT_FOUND}
    ),
}
"""What WeChat Pay may say of a refund that stands with us as the key says."""

_FINAL = GIVEN_UP | {RefundState.SUCCEEDED}


def book(billed: Iterable[Billed], ours: Iterable[Ours], start: datetime, end: datetime) -> Book:
    """Both sides of the day that lasts from `start` until `end`."""
    return Book({row.key: row for row in billed}, {one.key: one for one in ours}, start, end)


def doubts(book: Book) -> list[Key]:
    """What WeChat Pay must be asked about before the day can be judged.

    A payment or refund that we don't have; a refund that the bill shows as accepted only, or that
    is not final with us; what our clock puts on this day and WeChat Pay's perhaps on the next.
    """
    return [key for key in _keys(book) if _is_doubtful(book, key)]


def compare(book: Book, told: Mapping[Key, str]) -> list[Difference]:
    """The differences; `told` says what WeChat Pay answered about the doubts."""
    found = (_difference(book, key, told.get(key)) for key in _keys(book))
    return [difference for difference in found if difference is not None]


def _keys(book: Book) -> Iterator[Key]:
    yield from book.billed
    yield from (key for key in book.ours if key not in book.billed)


def _is_doubtful(book: Book, key: Key) -> bool:
    billed, ours = book.billed.get(key), book.ours.get(key)
    if billed is None or ours is None:
        return ours is None or _is_near_midnight(book, ours)
    accepted_only = billed.state == RefundStatus.PROCESSING
    return ours.item is Item.REFUND and (accepted_only or ours.state not in _FINAL)


def _is_near_midnight(book: Book, ours: Ours) -> bool:
    at = ours.due_at
    return at is not None and min(at - book.start, book.end - at) < EDGE


def _difference(book: Book, key: Key, told: str | None) -> Difference | None:
    billed, ours = book.billed.get(key), book.ours.get(key)
    if billed is None:
        assert ours is not None
        return _missing_there(ours, told)
    if ours is None:
        return _missing_here(billed, told or billed.state)
    if billed.fen != ours.fen:
        return _between(Kind.AMOUNT, billed, ours, told or billed.state)
    if not _agrees(ours, told or billed.state):
        return _between(Kind.STATE, billed, ours, told or billed.state)
    return None


def _missing_here(billed: Billed, state: str) -> Difference | None:
    revoked = billed.item is Item.PAYMENT and billed.state == TradeState.CLOSED
    failed = billed.item is Item.REFUND and state == RefundStatus.CLOSED
    return None if revoked or failed else _between(Kind.MISSING_HERE, billed, None, state)


def _missing_there(ours: Ours, told: str | None) -> Difference | None:
    nothing_moved = ours.item is Item.REFUND and ours.state in GIVEN_UP
    if ours.due_at is None or nothing_moved:
        return None
    if told is not None and _agrees(ours, told):
        return None
    return _between(Kind.MISSING_THERE, None, ours, told or "")


def _agrees(ours: Ours, state: str) -> bool:
    if ours.item is Item.PAYMENT:
        return state == TradeState.PAID
    return state in AGREES[RefundState(ours.state)]


def _between(kind: Kind, billed: Billed | None, ours: Ours | None, state: str) -> Difference:
    either = billed or ours
    assert either is not None
    return Difference(
        kind=kind,
        item=either.item,
        number=either.number,
        out_trade_no=either.out_trade_no,
        merchant_id=ours.merchant_id if ours else "",
        our_fen=ours.fen if ours else None,
        their_fen=billed.fen if billed else None,
        our_state=ours.state if ours else "",
        their_state=state,
    )
