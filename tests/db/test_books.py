"""The ledger in the tables: O1 to the fen, each posting once, and always in balance."""

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from db import books
from db.bookings import book
from db.books import Tags, legs
from db.engine import Database
from db.tables import Incident, Merchant, Transfer
from db.trial_balance import entries, trial_balance
from domain import ledger, payments
from domain.after_sale import Origin
from domain.allocation import Party
from domain.ledger import Account, Posting, PostingKind
from domain.messages import BookingKind
from domain.order import CaseType, OrderState
from domain.policy import FeePolicy
from domain.refund import Refund, RefundEvent, moved
from tests.db.story import Story, fresh
from tests.domain.builders import NOW, R1, R2, R3, policies

ACCOUNTS = {account.title: account for account in Account}


def balances(session: Session, *out_trade_nos: str) -> dict[Account, int]:
    """Where the accounts of these orders stand, debits positive, settled ones left out."""
    total: dict[Account, int] = defaultdict(int)
    for number in out_trade_nos:
        for posting in entries(session, number):
            for entry in posting["entries"]:
                total[ACCOUNTS[entry["name"]]] += entry["debit"] - entry["credit"]
    return {account: fen for account, fen in total.items() if fen}


def refunded_thrice(tables: Database) -> tuple[Story, Story]:
    """O1 with R1, R2 and R3, and the order on which its voucher was spent."""
    story, other = Story(tables).paid(), Story(tables)
    r1 = story.case(R1, CaseType.REFUND_ONLY)
    story.refunded(story.reserve(r1))
    story.voucher_used(other.number)
    for units, responsible in ((R2, Party.BUYER), (R3, Party.MERCHANT)):
        story.refunded(story.reserve(story.case(units, responsibility=responsible)))
    return story, other


def test_the_worked_order_ends_where_it_must(tables: Database) -> None:
    story, other = refunded_thrice(tables)
    with tables.read() as session:
        assert balances(session, story.number, other.number) == {
            Account.CHANNEL_CLEARING: 497,
            Account.CHANNEL_FEE_EXPENSE: 3,
            Account.GIFT_VOUCHER_EXPENSE: 500,
            Account.ESCROW_GOODS: -500,
            Account.GIFT_VOUCHER_RECOVERY: -500,
        }
        assert books.escrow(session, story.number) == (0, 0)
        assert books.escrow(session, other.number) == (500, 0)
        kinds = [posting["kind"] for posting in entries(session, story.number)]
    refunds = ["REFUND_APPROVED", "REFUND_PAID", "FEE_RETURNED"]
    recovered = ["REFUND_APPROVED", "GIFT_RECOVERED", "REFUND_PAID", "FEE_RETURNED"]
    assert kinds == ["PAYMENT", "CHANNEL_FEE", "GIFT_ISSUED", *refunds, *recovered, *refunds]


def test_its_merchant_owes_the_handling_fee(tables: Database) -> None:
    story, other = refunded_thrice(tables)
    story.ended(OrderState.CLOSED)
    with tables.read() as session:
        after = balances(session, story.number, other.number)
    assert after[Account.MERCHANT_RECEIVABLE] == 102
    assert after[Account.CHANNEL_FEE_RECOVERY] == -102


@pytest.mark.parametrize(
    ("policy", "due"),
    [(FeePolicy.MERCHANT_BEARS_ORIGINAL, 14510), (FeePolicy.CHANNEL_ACTUAL, 14528)],
)
def test_settlement_after_r1_alone(tables: Database, policy: FeePolicy, due: int) -> None:
    agreed = policies(commission_rate=Decimal("0.02"), fee_policy=policy)
    story = Story(tables, fresh(policies=agreed)).paid()
    story.refunded(story.reserve(story.case(R1, CaseType.REFUND_ONLY)))
    story.ended()
    with tables.read() as session:
        assert session.get_one(Merchant, story.terms.merchant_id).payable == due
        after = balances(session, story.number)
    assert after[Account.MERCHANT_PAYABLE] == -due
    assert after[Account.CHANNEL_CLEARING] == 13992


def test_a_refund_after_release_is_the_merchants(tables: Database) -> None:
    """It was owed 18030, the platform's coupon with it, less the fee of 102."""
    story = Story(tables).paid()
    story.ended()
    with tables.write() as session:
        owed = books.merchant_payable(session, story.terms.merchant_id)
    reservation = story.reserve(story.case(responsibility=Party.MERCHANT))
    assert reservation.intent is not None
    with tables.write() as session:
        after = balances(session, story.number)
        left = books.merchant_payable(session, story.terms.merchant_id)
    assert (owed, left) == (18030 - 102, 0)
    assert after[Account.MERCHANT_RECEIVABLE] == 102
    assert after[Account.REFUND_PAYABLE] == -17030


def test_money_that_nobody_owed_waits_in_suspense_until_it_goes_back(tables: Database) -> None:
    story = Story(tables).paid()
    fact = story.fact(f"second-{story.number}")
    start = payments.sent_back(fact, Origin.SECOND_PAYMENT, story.terms, NOW)
    assert start.payment is not None
    story.write("SECOND_PAYMENT", bookings=(start.payment,), cases=(start.case,))
    with tables.read() as session:
        waiting = balances(session, story.number)
    reservation = story.reserve(start.case)
    assert reservation.intent is not None
    assert reservation.intent.transaction_id == fact.transaction_id
    story.refunded(reservation)
    with tables.read() as session:
        after = balances(session, story.number)
    assert waiting[Account.SUSPENSE] == -17030
    assert Account.SUSPENSE not in after
    assert after[Account.CHANNEL_CLEARING] == 17030 - 102


def test_settled_offline_and_then_refunded_after_all(tables: Database) -> None:
    """The bank paid; what WeChat Pay moves later is in suspense and before a person."""
    story = Story(tables).paid()
    reservation = story.reserve(story.case(R1))
    assert reservation.intent is not None
    one = Refund(reservation.intent)
    for event in (RefundEvent.SUBMITTED, RefundEvent.ABNORMAL, RefundEvent.SETTLED_OFFLINE):
        one = moved(one, event)
    story.refund_became(one, BookingKind.REFUND_SETTLED_OFFLINE)
    late = moved(one, RefundEvent.SUCCEEDED)
    story.refund_became(late, BookingKind.REFUND_SUCCEEDED, "REFUND_AFTER_SETTLEMENT")
    with tables.read() as session:
        after = balances(session, story.number)
        query = select(Incident).where(col(Incident.out_trade_no) == story.number)
        incident = session.exec(query).one()
    assert after[Account.BANK] == -2954
    assert after[Account.SUSPENSE] == 2954
    assert Account.REFUND_PAYABLE not in after
    assert (incident.kind, incident.fen) == ("REFUND_AFTER_SETTLEMENT", 2954)


@pytest.mark.parametrize("kind", [BookingKind.UNEXPECTED_PAYMENT, BookingKind.UNOWED_PAYMENT])
def test_a_booking_is_entered_once(tables: Database, kind: BookingKind) -> None:
    story = Story(tables)
    booking = payments.booking(kind, story.fact(f"odd-{story.number}"), "3 fen were paid")
    counts = []
    for _ in range(2):
        with tables.write() as session:
            book(session, story.terms.merchant_id, booking)
            session.flush()
            counts.append((len(entries(session, story.number)), balances(session, story.number)))
    assert counts[0] == counts[1]
    assert counts[0][0] == 2


def test_the_trial_balance_lists_every_account_and_balances(tables: Database) -> None:
    refunded_thrice(tables)
    with tables.read() as session:
        balance = trial_balance(session)
        moves = session.exec(select(Transfer)).all()
    assert balance["balanced"]
    assert [one["code"] for one in balance["accounts"]] == [account.code for account in Account]
    for one in balance["accounts"]:
        assert one["debit"] == sum(move.amount for move in moves if move.debit == one["code"])
        assert one["credit"] == sum(move.amount for move in moves if move.credit == one["code"])
    assert sum(one["debit"] for one in balance["accounts"]) > 0


def test_what_merchants_are_owed_runs_along_with_the_ledger(tables: Database) -> None:
    Story(tables).paid().ended()
    code = Account.MERCHANT_PAYABLE.code
    with tables.read() as session:
        moves = session.exec(select(Transfer)).all()
        merchants = session.exec(select(Merchant)).all()
    owed: dict[str, int] = defaultdict(int)
    for move in moves:
        owed[move.merchant_id] += move.amount * ((move.credit == code) - (move.debit == code))
    assert any(owed.values())
    assert {one.merchant_id: one.payable for one in merchants} == {
        one.merchant_id: owed[one.merchant_id] for one in merchants
    }


def test_a_cause_posts_each_kind_once(tables: Database) -> None:
    story = Story(tables)
    tags = Tags(f"once-{story.number}", NOW, story.terms.merchant_id, story.number)
    for _ in range(2):
        with tables.write() as session:
            books.post(session, tags, ledger.settled_offline(7))
            books.post(session, tags, ledger.gift_used(5))
    with tables.read() as session:
        made = [(one["kind"], one["entries"][0]["debit"]) for one in entries(session, story.number)]
    assert made == [("REFUND_SETTLED_OFFLINE", 7), ("GIFT_USED", 5)]


@given(
    st.dictionaries(
        st.sampled_from([account for account in Account if account is not Account.BANK]),
        st.integers(-(10**9), 10**9).filter(bool),
        min_size=1,
    )
)
def test_a_posting_as_moves_from_account_to_account(said: dict[Account, int]) -> None:
    if rest := sum(said.values()):
        said[Account.BANK] = -rest
    moves = legs(Posting(PostingKind.PAYMENT, tuple(said.items())))
    came: dict[Account, int] = defaultdict(int)
    for debit, credit, fen in moves:
        assert fen > 0
        came[debit] += fen
        came[credit] -= fen
    assert came == said
    assert len({(debit, credit) for debit, credit, _ in moves}) == len(moves)
