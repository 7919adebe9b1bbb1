"""The checker is proved: it finds nothing wrong with a day that went well, and names each fault
that is planted, in the evidence or in the product itself."""

import asyncio
import copy
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent, WorkflowTaskFailedEventAttributes
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

import api.notify
from activities.channel import Channel
from db import records
from db.engine import Database
from db.tables import RefundRow
from domain import order
from domain.messages import Answer, Batch, RefundStatus
from tests.shop import APPROVE, wall_clock
from tests.shop import opened as open_shop
from tools import provision
from tools.chaos import settling, stories
from tools.chaos.checker import RULES, judge
from tools.chaos.evidence import Evidence, Reader, Row, Told, failures_of
from tools.chaos.hand import Hand, World, opened
from tools.chaos.stories import STORIES, Ending, Story
from tools.chaos.telling import tell
from tools.shop_day import WHO
from wechat.client import WeChatPay
from workflows.messaging import AFTER_SALE_STATE, DEADLINE_AT, MERCHANT_ID, ORDER_STATE

pytestmark = pytest.mark.slow

Plant = Callable[[Evidence], None]

POLICIES = {"refund_gap": "1s", "unpaid_close": "1h"}
PATIENCE_S = 120.0
STUCK_AFTER_S = 8.0


@dataclass
class Stage:
    """A running shop, and all that was told on it."""

    world: World
    reader: Reader
    told: list[Told] = field(default_factory=list)
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def tell(self, story: Story, no: str, patience_s: float = PATIENCE_S) -> None:
        """One story; it is given up after a while."""
        telling = asyncio.create_task(tell(Hand(self.world, no, random.Random(no)), story))
        await asyncio.wait([telling], timeout=patience_s)
        telling.cancel()
        self.told.append(await telling)

    async def evidence(self) -> Evidence:
        """Everything that can be read now."""
        await settling.quiet(self.world, PATIENCE_S)
        days = await settling.reconciled(self.world, self.since, PATIENCE_S)
        return await self.reader.evidence(self.told, days)


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SQLite alone: `make chaos` judges PostgreSQL."""
    return f"sqlite:///{tmp_path_factory.mktemp('database') / 'shop.db'}"


@pytest.fixture(scope="module")
async def stage(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("shop")
    server = str(provision.paths().temporal)
    with patch.dict(WHO, {who: who for who in WHO}):
        async with (
            await WorkflowEnvironment.start_local(
                data_converter=pydantic_data_converter,
                dev_server_existing_path=server,
                search_attributes=[ORDER_STATE, AFTER_SALE_STATE, MERCHANT_ID, DEADLINE_AT],
            ) as temporal,
            open_shop(
                temporal.client, database, folder, temporal.sleep, wall_clock, **POLICIES
            ) as shop,
            opened(
                str(shop.api.base_url),
                str(shop.wechat.base_url),
                temporal.client.service_client.config.target_host,
            ) as world,
        ):
            await world.control("clock", scale=settling.SCALE)
            yield Stage(world, Reader(world, database.engine, WHO["admin"]))


@pytest.fixture(scope="module")
async def good_day(stage: Stage) -> Evidence:
    """Every story once, and nothing goes wrong."""
    await asyncio.gather(*(stage.tell(story, f"good-{story.__name__}") for story in STORIES))
    return await stage.evidence()


def test_a_good_day_is_good(good_day: Evidence) -> None:
    assert judge(good_day) == []


def test_a_worker_that_was_frozen_has_not_failed() -> None:
    def failing(message: str) -> HistoryEvent:
        failure = Failure(message=message)
        said = WorkflowTaskFailedEventAttributes(failure=failure)
        return HistoryEvent(workflow_task_failed_event_attributes=said)

    frozen = failing("[TMPRL1101] Potential deadlock detected: workflow didn't yield within 2 s")
    (found,) = failures_of([frozen, failing("KeyError: 'sku'")])
    assert "KeyError" in found


# ---- planted in the evidence


def last(rows: list[Row], **wanted: Any) -> Row:
    """The newest row like that."""
    return next(row for row in reversed(rows) if wanted.items() <= row.items())


def a_payment_is_lost(seen: Evidence) -> None:
    seen.tables["payments"].pop()


def a_payment_came_with_another_amount(seen: Evidence) -> None:
    last(seen.wechat["payments"])["total_fee"] += 1


def money_moves_twice(seen: Evidence) -> None:
    last(seen.wechat["refunds"], money_moves=1)["money_moves"] = 2


def succeeded_without_money(seen: Evidence) -> None:
    last(seen.wechat["refunds"], money_moves=1)["money_moves"] = 0


def a_retry_under_a_new_number(seen: Evidence) -> None:
    again = last(seen.wechat["refunds"]) | {"out_refund_no": "new"}
    seen.wechat["refunds"].append(again)


def a_second_number_while_the_first_lives(seen: Evidence) -> None:
    row = last(seen.tables["refunds"], state="SUCCEEDED")
    seen.tables["refunds"].append(row | {"out_refund_no": f"{row['case_no']}-9"})


def the_cap_is_not_checked(seen: Evidence) -> None:
    last(seen.tables["refunds"], state="SUCCEEDED")["held"] += 10_000_000


def a_second_payment_stays(seen: Evidence) -> None:
    second = last(seen.tables["payments"], kind="SECOND_PAYMENT")["transaction_id"]
    last(seen.wechat["refunds"], transaction_id=second)["money_moves"] = 0


def a_second_payment_pays_too(seen: Evidence) -> None:
    last(seen.tables["payments"], kind="SECOND_PAYMENT")["kind"] = "FIRST"


def the_trial_balance_is_not_zero(seen: Evidence) -> None:
    seen.balance["balanced"] = False


def a_posting_is_lost(seen: Evidence) -> None:
    seen.tables["transfers"].pop()


def a_posting_is_lost_on_both_sides(seen: Evidence) -> None:
    gone = last(seen.tables["transfers"], debit="1010", credit="2021")
    seen.tables["transfers"].remove(gone)
    for side in ("debit", "credit"):
        last(seen.balance["accounts"], code=gone[side])[side] -= gone["amount"]


def escrow_is_left_behind(seen: Evidence) -> None:
    row = last(seen.tables["transfers"], debit="2021", out_trade_no="good-unshipped_refund")
    row["debit"] = "2022"


def a_merchant_is_owed_more(seen: Evidence) -> None:
    seen.tables["merchants"][0]["payable"] += 1


def a_refund_is_stuck(seen: Evidence) -> None:
    last(seen.tables["refunds"])["state"] = "UNKNOWN"


def a_task_fails(seen: Evidence) -> None:
    seen.runs[0] = replace(seen.runs[0], failures=("NON_DETERMINISTIC_ERROR: …",))


def an_order_has_two_runs(seen: Evidence) -> None:
    seen.runs.append(next(run for run in seen.runs if run.type == "OrderWorkflow"))


def an_ended_order_runs_on(seen: Evidence) -> None:
    last(seen.orders, state="SHIPPED")["state"] = "COMPLETED"


def acknowledged_before_it_was_signalled(seen: Evidence) -> None:
    no = last(seen.orders, state="SHIPPED")["out_trade_no"]
    seen.runs = [
        replace(run, heard=()) if run.workflow_id == f"order-{no}" else run for run in seen.runs
    ]


def an_event_is_missing(seen: Evidence) -> None:
    seen.events.remove(last(seen.events, subject="order", event="PAID"))


def a_follower_missed_an_event(seen: Evidence) -> None:
    seen.followed.pop(3)


def a_day_differs_from_the_bill(seen: Evidence) -> None:
    seen.days[0]["state"] = "OPEN"


def an_order_ended_otherwise(seen: Evidence) -> None:
    last(seen.orders, out_trade_no="good-withdrawn")["state"] = "CLOSED"


def a_caller_was_told_500(seen: Evidence) -> None:
    seen.complaints = ("good-completed /v1/orders: 500",)


IN_EVIDENCE: dict[Plant, str] = {
    a_payment_is_lost: "every_payment_is_known",
    a_payment_came_with_another_amount: "every_payment_is_known",
    money_moves_twice: "money_moves_once",
    succeeded_without_money: "money_moves_once",
    a_retry_under_a_new_number: "every_refund_is_ours",
    a_second_number_while_the_first_lives: "one_number_an_intent",
    the_cap_is_not_checked: "refunds_stay_within_payments",
    a_second_payment_stays: "the_first_payment_pays",
    a_second_payment_pays_too: "the_first_payment_pays",
    the_trial_balance_is_not_zero: "books_balance",
    a_posting_is_lost: "books_balance",
    a_posting_is_lost_on_both_sides: "books_hold_wechats_money",
    escrow_is_left_behind: "books_close",
    a_merchant_is_owed_more: "running_totals_agree",
    a_refund_is_stuck: "nothing_is_stuck",
    a_task_fails: "runs_are_well",
    an_order_has_two_runs: "runs_are_well",
    an_ended_order_runs_on: "runs_and_tables_agree",
    acknowledged_before_it_was_signalled: "acknowledged_is_held",
    an_event_is_missing: "timelines_are_whole",
    a_follower_missed_an_event: "the_feed_is_whole",
    a_day_differs_from_the_bill: "the_bill_agrees",
    an_order_ended_otherwise: "story_ends_as_it_may",
    a_caller_was_told_500: "answers_are_honest",
}


@pytest.mark.parametrize("plant", IN_EVIDENCE, ids=lambda plant: plant.__name__)
def test_what_is_planted_in_the_evidence_is_named(good_day: Evidence, plant: Plant) -> None:
    seen = copy.deepcopy(good_day)
    plant(seen)
    assert IN_EVIDENCE[plant] in {finding.rule for finding in judge(seen)}


def test_every_rule_has_caught_something() -> None:
    assert {rule.__name__ for rule in RULES} - set(IN_EVIDENCE.values()) == set()


# ---- planted in the product


@contextmanager
def intent_not_stored() -> Iterator[None]:
    """Refunds are sent, and nothing is written down before."""
    write = records.apply

    def forget(session: Any, batch: Batch, now: Any) -> None:
        write(session, batch, now)
        if batch.refund is not None and batch.number == 0:
            session.delete(session.get_one(RefundRow, batch.refund.intent.out_refund_no))

    with patch.object(records, "apply", forget):
        yield


@contextmanager
def another_number() -> Iterator[None]:
    """Refunds go out under another number than the one that was stored."""
    refund = WeChatPay.refund

    async def renumber(self: WeChatPay, *, out_refund_no: str, **call: Any) -> Any:
        return await refund(self, out_refund_no=f"{out_refund_no}b", **call)

    with patch.object(WeChatPay, "refund", renumber):
        yield


@contextmanager
def acknowledged_first() -> Iterator[None]:
    """Notifications are answered with SUCCESS, and then forgotten."""

    async def forget(*_: object) -> None:
        pass

    with patch.object(api.notify, "_hold_once", forget):
        yield


@contextmanager
def posting_lost() -> Iterator[None]:
    """Steps are written down without their bookings."""
    apply = records.apply

    def without(session: Any, batch: Any, now: Any) -> None:
        apply(session, replace(batch, bookings=()), now)

    with patch.object(records, "apply", without):
        yield


@contextmanager
def believed_at_once() -> Iterator[None]:
    """A refund that was accepted is called SUCCEEDED."""

    async def believe(*_: object) -> Answer:
        return Answer(RefundStatus.SUCCEEDED, "50x", datetime.now(UTC))

    with patch.object(Channel, "_status", believe):
        yield


@contextmanager
def workflow_breaks() -> Iterator[None]:
    """A workflow cannot take a payment in."""
    with patch.object(order, "paid", side_effect=RuntimeError("planted")):
        yield


async def slowly_refunded(play: Hand) -> Ending:
    """A refund that is long on its way."""
    await stories.paid(play, stories.basket(play.dice))
    case_no = await stories.applied(play, "REFUND_ONLY", "NO_REASON")
    await play.control("faults", fault="refund_slow", call="refund", number=f"{case_no}-1")
    for desk in ("merchant", "platform"):
        await play.does(desk, f"/v1/after-sales/{case_no}/{desk}-review", APPROVE)
    await play.refund_is(f"{case_no}-1", "PROCESSING")
    await play.ask("finance", f"/v1/refunds/{case_no}-1/query")
    await play.refund_is(f"{case_no}-1", "SUCCEEDED")
    return Ending(frozenset({"AWAITING_SHIPMENT"}))


IN_PRODUCT: dict[Callable[[], Any], tuple[Story, str]] = {
    intent_not_stored: (stories.unshipped_refund, "refunds_stay_within_payments"),
    another_number: (stories.unshipped_refund, "every_refund_is_ours"),
    acknowledged_first: (stories.completed, "acknowledged_is_held"),
    posting_lost: (stories.completed, "books_hold_wechats_money"),
    believed_at_once: (slowly_refunded, "money_moves_once"),
    workflow_breaks: (stories.completed, "runs_are_well"),
}


@pytest.mark.parametrize("fault", IN_PRODUCT, ids=lambda fault: fault.__name__)
async def test_what_is_planted_in_the_product_is_named(
    stage: Stage, fault: Callable[[], Any]
) -> None:
    story, rule = IN_PRODUCT[fault]
    no = f"bad-{fault.__name__}"
    with fault():
        await stage.tell(story, no, STUCK_AFTER_S)
    seen = await stage.reader.evidence(stage.told, [])
    found = [finding for finding in judge(seen) if no in f"{finding.number} {finding.what}"]
    assert rule in {finding.rule for finding in found}, found
