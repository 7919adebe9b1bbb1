"""Gift vouchers as they are spent."""

from collections.abc import Callable

import pytest

from db import coupons, views
from db.engine import Database
from db.trial_balance import entries
from domain.refusals import Code, Refused
from tests.db.story import Story, at_once
from tests.domain.builders import NOW


def test_spent_once_on_one_order(tables: Database) -> None:
    """What was owed to the buyer is held for the order that it is spent on."""
    story, other = Story(tables).paid(), Story(tables)
    for _ in range(2):
        story.voucher_used(other.number)
    with tables.read() as session:
        view = views.coupon(session, story.coupon_no)
        (posting,) = entries(session, other.number)
    assert (view["state"], view["used_on"], view["face_value"]) == ("USED", other.number, 500)
    assert posting["cause"] == f"coupon-{story.coupon_no}"
    assert [(one["name"], one["debit"], one["credit"]) for one in posting["entries"]] == [
        ("gift_voucher_liability", 500, 0),
        ("escrow_goods", 0, 500),
    ]


def test_eight_orders_at_once_and_one_gets_it(tables: Database) -> None:
    story = Story(tables).paid()

    def spend(spent_on: str) -> Callable[[], str]:
        def act() -> str:
            try:
                story.voucher_used(spent_on)
            except Refused as refused:
                return refused.code
            return spent_on

        return act

    made = at_once([spend(f"elsewhere-{serial}") for serial in range(8)])
    (won,) = [one for one in made if one != Code.COUPON_STATE]
    with tables.read() as session:
        assert views.coupon(session, story.coupon_no)["used_on"] == won


def test_one_that_was_taken_back_or_never_was_is_refused(tables: Database) -> None:
    story = Story(tables).paid()
    story.reserve(story.case())
    with pytest.raises(Refused, match="VOID") as taken_back:
        story.voucher_used("elsewhere")
    with pytest.raises(Refused, match="no-such") as unknown, tables.write() as session:
        coupons.use(session, "no-such", "elsewhere", NOW)
    assert taken_back.value.code is Code.COUPON_STATE
    assert unknown.value.code is Code.COUPON_NOT_FOUND
