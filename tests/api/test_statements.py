"""Statements: what a merchant is told of a period, in JSON and in a spreadsheet."""

import csv
import io
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from domain.days import CHINA
from tests.api import o1
from tests.shop import Shop

MERCHANT = "m-statement"
NUMBERS = ("-o1-part", "o1-full")


@pytest.fixture(scope="module")
async def settled(shop: Shop) -> Shop:
    """A merchant of two orders: O1 with only R1, and one that was refunded in full."""
    await o1.merchant(shop, MERCHANT, commission_rate="0.02")
    part, full = NUMBERS
    await o1.paid(shop, part, MERCHANT)
    await o1.r1(shop, part)
    await o1.completed(shop, part)
    await shop.sleep(
        timedelta(seconds=2)
    )  # WeChat Pay tells whole seconds: one order after the other
    await o1.paid(shop, full, MERCHANT)
    await shop.does("platform", f"/apis/pay_refund?no={full}")
    await shop.order_is(full, "CLOSED")
    return shop


async def read(
    shop: Shop, who: str = "finance", merchant_id: str = MERCHANT, csv: str = "", **period: str
) -> httpx.Response:
    """The answer; by default about everything until tomorrow."""
    today = datetime.now(CHINA).date()
    asked = {
        "from": str(today - timedelta(days=1)),
        "to": str(today + timedelta(days=60)),
        **period,
    }
    path = f"/v1/merchants/{merchant_id}/statement{csv}?{urlencode(asked)}"
    return await shop.api.get(path, headers={"Authorization": f"Bearer {who}"})


async def statement(shop: Shop, **period: str) -> Any:
    """What finance reads."""
    reply = await read(shop, **period)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_lines_totals_and_balances(settled: Shop) -> None:
    told = await statement(settled)
    part, full = told["lines"]
    assert {name: part[name] for name in part if name != "postings"} == {
        "out_trade_no": NUMBERS[0],
        "paid": 17030,
        "refunded": 2954,
        "released": 14894,
        "commission": 282,
        "handling_fee": 102,
        "refunds_charged": 0,
        "settled": 14510,
        "fee_policy": "MERCHANT_BEARS_ORIGINAL",
        "handling_fee_by_policy": {"MERCHANT_BEARS_ORIGINAL": 102, "CHANNEL_ACTUAL": 84},
    }
    assert (full["refunded"], full["settled"]) == (17030, -102)
    assert full["handling_fee_by_policy"] == {"MERCHANT_BEARS_ORIGINAL": 102, "CHANNEL_ACTUAL": 0}
    assert told["totals"]["settled"] == 14408
    assert told["opening"] == {"payable": 0, "receivable": 0, "net": 0}
    assert told["closing"] == {"payable": 14408, "receivable": 0, "net": 14408}


async def test_a_refund_after_settlement_is_charged(settled: Shop) -> None:
    """The payment is long settled: what goes back to the buyer now, the merchant owes."""
    merchant_id, number = "m-after", "o1-after"
    await o1.merchant(settled, merchant_id)
    await o1.paid(settled, number, merchant_id)
    await o1.completed(settled, number)
    before = (await statement(settled, merchant_id=merchant_id))["closing"]
    asked = await settled.does("platform", f"/apis/pay_refund?no={number}")
    await settled.case_is(asked["case_no"], "COMPLETED")
    told = await statement(settled, merchant_id=merchant_id)
    (line,) = told["lines"]
    assert before["net"] == 17230 + 800 - 102
    assert line["refunds_charged"] == 17230 + 800
    assert told["closing"] == {"payable": 0, "receivable": 102, "net": -102}


async def test_every_figure_is_found_in_the_ledger(settled: Shop) -> None:
    for line in (await statement(settled))["lines"]:
        path = f"/v1/ledger/entries?out_trade_no={line['out_trade_no']}"
        entries = {
            (one["cause"], one["kind"]): {leg["name"]: leg for leg in one["entries"]}
            for one in (await settled.get("finance", path))["items"]
        }
        assert {(one["cause"], one["kind"]) for one in line["postings"]} == set(entries)
        owed = [legs.get(name) for legs in entries.values() for name in OWED]
        assert line["settled"] == sum(leg["credit"] - leg["debit"] for leg in owed if leg)


OWED = ("merchant_payable", "merchant_receivable")


async def test_one_period_opens_as_the_one_before_closed(settled: Shop) -> None:
    whole = await statement(settled)
    middle = whole["lines"][1]["postings"][0]["at"]
    before, after = (
        await statement(settled, to=middle),
        await statement(settled, **{"from": middle}),
    )
    assert (before["opening"], after["closing"]) == (whole["opening"], whole["closing"])
    assert (
        before["closing"] == after["opening"] == {"payable": 14510, "receivable": 0, "net": 14510}
    )
    assert [line["out_trade_no"] for line in before["lines"]] == [NUMBERS[0]]
    for name, total in whole["totals"].items():
        assert before["totals"][name] + after["totals"][name] == total


async def test_a_spreadsheet_in_fen_and_yuan(settled: Shop) -> None:
    reply = await read(settled, csv=".csv")
    assert reply.content.startswith(b"\xef\xbb\xbf")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(reply.content.decode("utf-8-sig"))))
    assert [row["row 行"] for row in rows] == ["opening", "order", "order", "totals", "closing"]
    part = {name.split()[0]: cell for name, cell in rows[1].items()}
    assert (part["paid_fen"], part["paid_yuan"]) == ("17030", "170.30")
    assert (part["fee_channel_actual_fen"], part["fee_channel_actual_yuan"]) == ("84", "0.84")
    assert rows[4]["payable_yuan 应付商户(元)"] == "144.08"


async def test_no_cell_of_a_spreadsheet_is_a_formula(settled: Shop) -> None:
    rows = csv.reader(io.StringIO((await read(settled, csv=".csv")).content.decode("utf-8-sig")))
    cells = [cell for row in rows for cell in row]
    assert f"'{NUMBERS[0]}" in cells
    texts = (cell for cell in cells if not cell.lstrip("-").replace(".", "").isdigit())
    assert [cell for cell in texts if cell.startswith(("=", "+", "-", "@"))] == []


@pytest.mark.parametrize(
    ("period", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "2026-11-01T00:00:00"}, "from"),
        ({"from": "0001-01-01"}, "from"),
        ({"to": "9999-12-31"}, "to"),
        ({"to": "1793462400"}, "to"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "to"),
        ({"from": "2020-01-01", "to": "2026-11-01"}, "to"),
    ],
)
async def test_a_period_that_makes_no_sense_is_refused(
    settled: Shop, period: dict[str, str], field: str
) -> None:
    reply = await read(settled, **period)
    assert (reply.status_code, reply.json()["code"], reply.json()["field"]) == (
        422,
        "invalid_field",
        field,
    )


async def test_days_are_those_of_china_and_both_ends_belong(settled: Shop) -> None:
    day = await statement(settled, **{"from": "2026-11-01", "to": "2026-11-02"})
    assert (day["from"], day["to"]) == ("2026-10-31T16:00:00Z", "2026-11-02T16:00:00Z")
    zoned = {"from": "2026-11-01T00:00:00+08:00", "to": "2026-11-03T00:00:00+08:00"}
    assert (await statement(settled, **zoned))["to"] == day["to"]


@pytest.mark.parametrize(
    ("who", "status"),
    [("shop", 403), ("platform", 403), ("merchant", 404), ("auditor", 200), ("admin", 200)],
)
async def test_a_merchant_reads_its_own_only(settled: Shop, who: str, status: int) -> None:
    assert (await read(settled, who)).status_code == status
    assert (await read(settled, who, csv=".csv")).status_code == status


async def test_an_unknown_merchant_has_no_statement(settled: Shop) -> None:
    reply = await read(settled, merchant_id="m-nobody")
    assert (reply.status_code, reply.json()["code"]) == (404, "merchant_not_found")
