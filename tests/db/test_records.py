"""Writing down: a batch whole or not at all, and once, however often it comes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, NoResultFound
from sqlmodel import SQLModel, col, select

from db import records, views
from db.engine import Database
from db.tables import Event, Transfer
from domain import order, payments
from domain.after_sale import CaseState
from domain.deadline import owed
from domain.messages import Batch, Booking, BookingKind
from domain.order import OrderEvent
from domain.refusals import Code, Refused
from tests.db.story import Story, at_once
from tests.domain.builders import NOW, PARCEL, R1, SECOND


def everything(database: Database) -> dict[str, list[Any]]:
    """Every row of every table."""
    with database.read() as session:
        return {
            table.name: sorted(map(str, session.execute(table.select()).all()))
            for table in SQLModel.metadata.sorted_tables
        }


def paid_batch(story: Story) -> Batch:
    fact = story.fact(f"first-{story.number}")
    story.order = order.paid(story.order, fact.transaction_id, NOW)
    return story.batch("PAID", bookings=(payments.booking(BookingKind.ORDER_PAID, fact),))


def test_the_second_time_nothing_happens(tables: Database) -> None:
    story = Story(tables)
    batch, seen = paid_batch(story), []
    for later in (NOW, NOW + SECOND):
        with tables.write() as session:
            records.apply(session, batch, later)
        seen.append(everything(tables))
    assert seen[0] == seen[1]
    assert len(seen[0]["payments"]) == 1


def test_many_at_once_write_it_once(tables: Database) -> None:
    """One that lost the race may fail; when it comes again, nothing happens."""
    story = Story(tables)
    batch = paid_batch(story)

    def insist() -> None:
        for _ in range(2):
            try:
                with tables.write() as session:
                    records.apply(session, batch, NOW)
            except IntegrityError:
                continue

    at_once([insist] * 8)
    with tables.read() as session:
        events = select(Event).where(col(Event.stream) == batch.stream, col(Event.number) == 2)
        assert len(session.exec(events).all()) == 1
        moves = select(Transfer).where(col(Transfer.out_trade_no) == story.number)
        assert len(session.exec(moves).all()) == 5


def noted(story: Story, number: int, *events: str) -> Batch:
    """A batch as a task writes it that knows of all these by now, at another moment than before."""
    batch = story.batch(events[0])
    entries = [replace(batch.notes[0].entry, event=event, at=NOW + SECOND) for event in events]
    notes = tuple(replace(batch.notes[0], entry=entry) for entry in entries)
    return replace(batch, number=number, notes=notes)


def timeline(story: Story) -> list[str]:
    with story.database.read() as session:
        view = views.order(session, story.number)
    return [entry["event"] for entry in view["timeline"]]


def test_a_task_that_is_done_again_writes_what_it_has_found_since(tables: Database) -> None:
    """The task was lost with its worker after it had written; meanwhile more has come in."""
    story = Story(tables)
    with tables.write() as session:
        records.apply(session, paid_batch(story), NOW)
    story.order = order.shipped(story.order, "SF", "SF1", False, NOW + SECOND)
    again = replace(noted(story, 2, "PAID", "SHIPPED"), order=story.order)
    with tables.write() as session:
        records.apply(session, again, NOW)
    assert timeline(story) == ["PLACED", "PAID", "SHIPPED"]
    with tables.read() as session:
        assert views.order(session, story.number)["state"] == "SHIPPED"


def test_a_word_is_the_same_whether_it_came_through_temporal_or_not(tables: Database) -> None:
    story = Story(tables)
    for _ in range(2):
        with tables.write() as session:
            records.apply(session, noted(story, 2, OrderEvent.PAID), NOW)
    assert timeline(story) == ["PLACED", "PAID"]


def test_a_task_that_is_done_again_may_write_in_fewer_steps(tables: Database) -> None:
    story = Story(tables)
    for batch in (noted(story, 2, "A"), noted(story, 3, "B")):
        with tables.write() as session:
            records.apply(session, batch, NOW)
    for batch in (noted(story, 2, "A", "B"), noted(story, 3, "C")):
        with tables.write() as session:
            records.apply(session, batch, NOW)
    assert timeline(story) == ["PLACED", "A", "B", "C"]


def test_what_cannot_be_written_whole_is_not_written(tables: Database) -> None:
    story = Story(tables)
    before = everything(tables)
    batch = paid_batch(story)
    lost = Booking(BookingKind.REFUND_SUCCEEDED, "no-such-refund", NOW, story.number)
    bad = story.batch("LOST", bookings=(*batch.bookings, lost))
    with pytest.raises(NoResultFound), tables.write() as session:
        records.apply(session, bad, NOW)
    assert everything(tables) == before


def test_an_order_reads_as_it_was_written(tables: Database) -> None:
    story = Story(tables).paid()
    story.order = order.shipped(story.order, "SF", "SF1", False, NOW + SECOND)
    story.write("SHIPPED")
    with tables.read() as session:
        view = views.order(session, story.number)
        _, prepay_id = views.order_to_pay(session, story.number)
    assert prepay_id == ""
    assert (view["state"], view["pay_state"], view["total_fee"]) == ("SHIPPED", 1, 17_030)
    assert (view["carrier"], view["tracking_no"]) == ("SF", "SF1")
    assert view["deadline"] == "auto_receive"
    assert view["deadline_at"] == "2026-03-12T09:00:01Z"
    assert (view["paid_at"], view["received_at"]) == ("2026-03-02T09:00:00Z", None)
    assert [line["sku"] for line in view["lines"]] == ["A", "B", "C"]
    assert [(gift["coupon_no"], gift["state"]) for gift in view["gifts"]] == [
        (story.coupon_no, "ISSUED")
    ]
    assert [entry["event"] for entry in view["timeline"]] == ["PLACED", "PAID", "SHIPPED"]


def test_a_case_reads_as_it_was_written(tables: Database) -> None:
    """With what it comes to, line by line, an estimate until the refund is reserved."""
    story = Story(tables).paid()
    case = story.case(R1)
    story.refunded(story.reserve(case))
    with tables.read() as session:
        view = views.case(session, case.case_no)
        of_order = views.order(session, story.number)["after_sales"]
        number = view["refunds"][0]["out_refund_no"]
        one = views.refund(session, number)
    assert [row["case_no"] for row in of_order] == [case.case_no]
    assert view["amounts"]["lines"] == [
        {
            "line": 1,
            "sku": "B",
            "title": "茶盘",
            "quantity": 1,
            "gross": 3500,
            "merchant_discount": 364,
            "platform_coupon": 182,
            "net": 2954,
        }
    ]
    assert (view["amounts"]["refund_fee"], view["amounts_final"]) == (2954, True)
    assert (number, one["state"], one["refund_fee"]) == (f"{case.case_no}-1", "SUCCEEDED", 2954)
    assert [entry["event"] for entry in view["timeline"]] == ["SUCCEEDED"]
    assert one["timeline"] == view["timeline"]


def test_a_case_shows_its_deadline_and_its_parcel(tables: Database) -> None:
    story = Story(tables).paid()
    case = story.case(R1, state=CaseState.AWAITING_RECEIPT)
    due = owed("merchant_receipt", NOW, story.terms.policies.merchant_receipt)
    with tables.read() as session:
        assert views.case(session, case.case_no)["return_shipment"] is None
    story.write("SENT_BACK", cases=(replace(case, deadline=due, parcel=PARCEL),))
    with tables.read() as session:
        view = views.case(session, case.case_no)
    assert view["return_shipment"] == {"carrier": "SF", "tracking_no": "SF2"}
    assert (view["deadline"], view["deadline_at"]) == ("merchant_receipt", "2026-03-12T09:00:00Z")
    assert view["alarm_at"] == "2026-03-09T21:00:00Z"


@pytest.fixture
def reads(tables: Database) -> Iterator[dict[Code, Any]]:
    """Reading what is not there, by the code it answers with."""
    with tables.read() as session:
        yield {
            Code.ORDER_NOT_FOUND: lambda: views.order(session, "no-such"),
            Code.CASE_NOT_FOUND: lambda: views.case(session, "no-such"),
            Code.REFUND_NOT_FOUND: lambda: views.refund(session, "no-such"),
            Code.COUPON_NOT_FOUND: lambda: views.coupon(session, "no-such"),
            Code.MERCHANT_NOT_FOUND: lambda: views.merchant(session, "no-such"),
        }


def test_what_is_not_there_is_a_refusal(reads: dict[Code, Any]) -> None:
    for code, read in reads.items():
        with pytest.raises(Refused, match="no-such") as refusal:
            read()
        assert refusal.value.code is code
