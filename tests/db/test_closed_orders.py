"""What an order whose workflow has ended still allows, and payments that no order waits for."""

from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import col, select

from db import closed_orders, unowed
from db.engine import Database
from db.tables import Incident
from domain import after_sale
from domain.after_sale import CaseState, Origin
from domain.allocation import all_units
from domain.refusals import Code, Refused
from tests.db.story import Story
from tests.domain.builders import NOW, R1, R2, R3


def test_what_is_left_of_an_order(tables: Database) -> None:
    """Cases that were turned down gave their units back; operators' cases are named."""
    story = Story(tables).paid()
    story.case(R1)
    story.case(R2, state=CaseState.REJECTED)
    story.case(R3, state=CaseState.CLOSED)
    with tables.read() as session:
        before = closed_orders.rest(session, story.number)
    assert before.units_left == tuple(unit for unit in all_units(story.terms) if unit not in R1)
    assert (before.terms, before.transaction_id) == (story.terms, story.order.transaction_id)
    assert before.operator_cases == ()
    operators = after_sale.of_operator(
        story.terms, story.order.transaction_id, R3, f"operator-{story.number}", NOW
    )
    story.write("CASE_OPENED", cases=(operators,))
    with tables.read() as session:
        after = closed_orders.rest(session, story.number)
    assert (after.units_left, after.operator_cases) == (R2, (operators.case_no,))


def test_nothing_is_left_of_an_order_that_nobody_paid_or_placed(tables: Database) -> None:
    story, codes = Story(tables), []
    for number in (story.number, "no-such"):
        with tables.read() as session, pytest.raises(Refused) as refusal:
            closed_orders.rest(session, number)
        codes.append(refusal.value.code)
    assert codes == [Code.ORDER_STATE, Code.ORDER_NOT_FOUND]


@pytest.mark.parametrize(
    ("is_paid", "origin"), [(True, Origin.SECOND_PAYMENT), (False, Origin.LATE_PAYMENT)]
)
def test_a_payment_too_many_is_sent_back(tables: Database, is_paid: bool, origin: Origin) -> None:
    story = Story(tables)
    if is_paid:
        story.paid()
    fact = story.fact(f"more-{story.number}")
    with tables.write() as session:
        start = unowed.take_in(session, fact, NOW)
    assert start is not None
    assert start.payment is not None
    assert (start.case.origin, start.case.transaction_id) == (origin, fact.transaction_id)
    story.write("SENT_BACK", bookings=(start.payment,), cases=(start.case,))
    with tables.write() as session:
        assert unowed.take_in(session, fact, NOW) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"total_fee": 3}, "3 fen were paid, 17030 fen are due"),
        ({"out_trade_no": "no-such-order"}, "no such order"),
    ],
)
def test_money_that_fits_no_order_is_put_before_a_person_once(
    tables: Database, changes: dict[str, Any], reason: str
) -> None:
    story = Story(tables)
    fact = replace(story.fact(f"odd-{story.number}"), **changes)
    for _ in range(2):
        with tables.write() as session:
            assert unowed.take_in(session, fact, NOW) is None
    with tables.read() as session:
        query = select(Incident).where(col(Incident.cause) == f"pay-{fact.transaction_id}")
        incident = session.exec(query).one()
    assert (incident.kind, incident.reason) == ("PAYMENT_UNEXPECTED", reason)
    assert incident.fen == fact.total_fee
