"""The day against WeChat Pay's bill, on a Temporal server that has schedules."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select
from temporalio.client import WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from db.engine import Database
from db.tables import Event, Incident, Payment
from domain.days import CHINA, day_of
from domain.refund import RefundEvent
from tests.conftest import add_search_attributes
from tests.shop import Shop, opened
from tests.workflows import planted
from tests.workflows.planted import Found, Trade
from tools import provision
from workflows import schedules

TODAY = day_of(datetime.now(UTC))
ORDER_OF_1000 = {
    "merchant_id": "m-dear",
    "freight": 0,
    "lines": [{"sku": "tea", "title": "茶", "quantity": 1, "unit_price": 1000}],
}


@pytest.fixture(scope="module")
def folder(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the shop of this module keeps its files."""
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
async def live(database: Database, folder: Path) -> AsyncIterator[Shop]:
    """A whole shop in true time, on the dev server: the skipping one has no schedules."""
    server = provision.paths().temporal
    assert server, "no Temporal CLI: run `make setup`"
    async with await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter, dev_server_existing_path=str(server)
    ) as environment:
        await add_search_attributes(environment.client)

        async def sleep(length: timedelta) -> None:
            await asyncio.sleep(length.total_seconds())

        async with opened(environment.client, database, folder, sleep) as shop:
            yield shop


async def reconciled(shop: Shop, day: date = TODAY) -> Any:
    """The day, held against its bill just now."""
    return await shop.does("finance", f"/v1/reconciliations/{day}")


def found(day: Any) -> set[tuple[str, str, str]]:
    """What was found: kind, number, and whether it is settled."""
    return {(one["kind"], one["number"], one["state"]) for one in day["differences"]}


def of_order(day: Any, number: str) -> list[tuple[str, str, str]]:
    """What was found about one order: kind, item, and whether it is settled."""
    mine = [one for one in day["differences"] if one["out_trade_no"] == number]
    return [(one["kind"], one["item"], one["state"]) for one in mine]


# ---- repairs


async def test_a_lost_notification_is_repaired_within_the_run(live: Shop) -> None:
    number = await live.order()
    await live.pay(number, notify=False)
    day = await reconciled(live)
    assert (await live.order_of(number))["state"] == "AWAITING_SHIPMENT"
    assert of_order(day, number) == [("MISSING_HERE", "PAYMENT", "SETTLED")]


async def test_a_lost_late_payment_goes_back(live: Shop) -> None:
    number = await live.order()
    await live.does("shop", f"/v1/orders/{number}/close")
    paid = await live.pay(number, notify=False)
    day = await reconciled(live)
    assert of_order(day, number) == [("MISSING_HERE", "PAYMENT", "SETTLED")]
    await live.case_is(f"late-{paid['transaction_id']}", "COMPLETED")
    assert await live.money_moves(number) == [1]


async def test_money_for_no_order_of_ours_waits_in_suspense(live: Shop) -> None:
    paid = await live.pay("stranger-1", total_fee=700, notify=False)
    day = await reconciled(live)
    assert of_order(day, "stranger-1") == [("MISSING_HERE", "PAYMENT", "SETTLED")]
    with live.database.read() as session:
        assert session.get_one(Payment, paid["transaction_id"]).kind == "UNEXPECTED"
        query = select(Incident).where(col(Incident.out_trade_no) == "stranger-1")
        assert [(one.kind, one.fen) for one in session.exec(query)] == [("PAYMENT_UNEXPECTED", 700)]


async def test_a_refund_made_by_hand_is_written_down(live: Shop) -> None:
    number = await live.paid()
    await live.control("faults", fault="notify_lost", call="refund_notify")
    made = await live.control("console-refund", out_trade_no=number, refund_fee=100)
    await asyncio.sleep(0.1)
    day = await reconciled(live)
    assert of_order(day, number) == [("MISSING_HERE", "REFUND", "SETTLED")]
    assert (await live.refund_of(made["out_refund_no"]))["origin"] == "CONSOLE"


async def test_a_refund_that_only_we_believe_to_be_on_its_way_is_asked_about(live: Shop) -> None:
    number = await live.paid()
    case_no = await live.apply(number)
    await live.control("faults", fault="notify_lost", call="refund_notify")
    await live.approve(case_no)
    await live.until(lambda: refund_of(live, case_no), "PROCESSING")
    day = await reconciled(live)
    assert of_order(day, number) == [("STATE", "REFUND", "SETTLED")]
    await live.case_is(case_no, "COMPLETED")


async def refund_of(shop: Shop, case_no: str) -> Any:
    """The case's refund, once it has one."""
    refunds = (await shop.case_of(case_no))["refunds"]
    return refunds[-1] if refunds else {"state": ""}


# ---- fees


@pytest.mark.parametrize(
    ("fee_policy", "estimated", "charged"),
    [("MERCHANT_BEARS_ORIGINAL", 10, 6), ("CHANNEL_ACTUAL", 0, 0)],
)
async def test_the_bill_says_what_the_fee_was(
    live: Shop, fee_policy: str, estimated: int, charged: int
) -> None:
    """Estimated at 1 %, taken at 0.6 %; the order was final before its bill came."""
    settings = {"name": "贵", "policies": {"fee_rate": "0.01", "fee_policy": fee_policy}}
    headers = {"Authorization": "Bearer admin"}
    await live.api.put("/v1/merchants/m-dear", json=settings, headers=headers)
    number = await live.paid(**ORDER_OF_1000)
    asked = await live.does("platform", f"/apis/pay_refund?no={number}")
    await live.case_is(asked["case_no"], "COMPLETED")
    await live.order_is(number, "CLOSED")
    assert await fees_of(live, number) == (0, -estimated)
    assert (await reconciled(live))["counts"]["fees_trued_up"] == 2
    assert await fees_of(live, number) == (0, -charged)
    assert (await reconciled(live))["counts"]["fees_trued_up"] == 0
    assert (await live.get("finance", "/v1/ledger/trial-balance"))["balanced"]


async def fees_of(shop: Shop, number: str) -> tuple[int, int]:
    """What an order's fees cost, and what of them was charged on; debits less credits."""
    entries = await shop.get("finance", f"/v1/ledger/entries?out_trade_no={number}")
    legs = [leg for posting in entries["items"] for leg in posting["entries"]]

    def balance(name: str) -> int:
        return sum(leg["debit"] - leg["credit"] for leg in legs if leg["name"] == name)

    return balance("channel_fee_expense"), balance("channel_fee_recovery")


# ---- a whole day, and runs of it


async def test_a_run_again_settles_what_was_open(live: Shop, folder: Path) -> None:
    day = TODAY - timedelta(days=3)
    with live.database.write() as session, planted.opened(folder / "simulator.db") as wechat:
        invented = Trade(session, wechat, day).invented_payment()
    assert found(await reconciled(live, day)) == {invented}
    with live.database.write() as session, planted.opened(folder / "simulator.db") as wechat:
        Trade(session, wechat, day).pay_there(*Trade(session, wechat, day).next())
    again = await reconciled(live, day)
    assert found(again) == {(*invented[:2], "SETTLED")}
    assert again["state"] == "SETTLED"
    assert again == await live.get("auditor", f"/v1/reconciliations/{day}")


async def test_a_bill_that_is_still_being_made_is_waited_for(live: Shop) -> None:
    day = TODAY - timedelta(days=4)
    await live.control("faults", fault="bill_creating", call="downloadbill")
    told = await reconciled(live, day)
    assert (told["state"], told["problem"]) == ("SETTLED", "")


async def test_waiting_says_why(live: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.workflows.RECONCILED_WITHIN_S", 1)
    day = TODAY - timedelta(days=5)
    await live.control("faults", fault="bill_creating", call="downloadbill", times=3)
    told = await reconciled(live, day)
    assert told["state"] == "RUNNING"
    assert "Bill Creating" in told["problem"].title()


async def test_without_a_worker_it_is_said_to_come_again(
    live: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.workflows.RECONCILED_WITHIN_S", 0.2)
    path = f"/v1/reconciliations/{TODAY - timedelta(days=6)}"
    async with live.worker_away():
        reply = await live.post("finance", path, key="same")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
    monkeypatch.setattr("api.workflows.RECONCILED_WITHIN_S", 10)
    assert (await live.post("finance", path, key="same")).json()["state"] == "SETTLED"


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (str(TODAY + timedelta(days=1)), "bill_not_ready"),
        (str(TODAY - timedelta(days=91)), "invalid_field"),
        ("1700000000", "invalid_field"),
        ("2026-02-30", "invalid_field"),
    ],
)
async def test_days_without_a_bill_are_refused(live: Shop, day: str, code: str) -> None:
    assert await live.refuses("finance", f"/v1/reconciliations/{day}") == code


@pytest.mark.parametrize("who", ["shop", "merchant", "platform", "auditor"])
async def test_only_finance_runs_it(live: Shop, who: str) -> None:
    assert await live.refuses(who, f"/v1/reconciliations/{TODAY}") == "forbidden"


async def test_a_day_that_nobody_looked_at_is_not_there(live: Shop) -> None:
    headers = {"Authorization": "Bearer finance"}
    reply = await live.api.get("/v1/reconciliations/2026-01-01", headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (404, "reconciliation_not_found")


async def test_the_schedule_starts_the_last_two_days_each_morning_in_china(live: Shop) -> None:
    await schedules.reconcile_daily(live.client)
    schedule = live.client.get_schedule_handle(schedules.RECONCILIATION)
    await schedule.pause()
    await schedules.reconcile_daily(live.client)
    described = await schedule.describe()
    assert described.schedule.state.paused
    (at, *_) = described.info.next_action_times
    assert at.astimezone(CHINA).strftime("%H:%M") == "10:30"
    await schedule.trigger()
    for days_ago in (1, 2):
        day = TODAY - timedelta(days=days_ago)
        handle = live.client.get_workflow_handle(f"reconciliation-{day}")
        await live.until(partial(started_by, handle), "DailyReconciliationWorkflow")


async def started_by(handle: WorkflowHandle[Any, Any]) -> dict[str, str]:
    """The type of the run's parent."""
    try:
        parent = (await handle.describe()).parent_id or ""
    except RPCError:
        return {"state": ""}
    return {"state": "DailyReconciliationWorkflow" if "daily" in parent else parent}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("orders", "days_ago"), [(100, 8), pytest.param(2000, 9, marks=pytest.mark.slow)]
)
async def test_ten_planted_differences_are_found_and_nothing_else(
    live: Shop, folder: Path, orders: int, days_ago: int
) -> None:
    day = TODAY - timedelta(days=days_ago)
    expected = planted_on(day, live.database, folder, orders)
    told = await reconciled(live, day)
    assert found(told) == expected
    assert told["state"] == "OPEN"
    assert told["counts"]["settled"] == 4
    with live.database.read() as session:
        alarms = select(Incident).where(col(Incident.cause) == str(day))
        assert [one.kind for one in session.exec(alarms)] == ["RECONCILIATION"]
        ended = select(Event).where(col(Event.subject_no) == str(day))
        assert [(one.event, one.target) for one in session.exec(ended)] == [("RECONCILED", "OPEN")]


def planted_on(day: date, database: Database, folder: Path, orders: int) -> set[Found]:
    """A day of so many orders, with ten differences."""
    with database.write() as session, planted.opened(folder / "simulator.db") as wechat:
        trade = Trade(session, wechat, day)
        for serial in range(orders):
            trade.agree(*[RefundEvent.SUCCEEDED] * (serial % 10 == 0))
        trade.at_midnight()
        return {
            trade.lost_payment(),
            trade.stranger(),
            trade.lost_second_payment(),
            trade.invented_payment(),
            trade.other_amount(),
            trade.lost_console_refund(),
            trade.invented_refund(),
            trade.other_refund_amount(),
            trade.failed_refund(),
            trade.unheard_refund(),
        }
