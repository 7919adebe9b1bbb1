"""Spreadsheets: read by Excel, safe in Excel, whole."""

import csv
import io
from typing import Any

import pytest

from tests.console.door import Visit
from tests.console.harness import Shop
from tools.stack import Stack

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]

BOM = "\ufeff"
FORMULAS = ("=HYPERLINK(1)", "+1+1", "-1+1", "@SUM(A1)")


def _rows(visit: Visit, path: str) -> list[dict[str, str]]:
    reply = visit.get(path)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in reply.headers["content-disposition"]
    assert reply.text.startswith(BOM)
    return list(csv.DictReader(io.StringIO(reply.text.removeprefix(BOM))))


@pytest.fixture
def visit(stack: Stack) -> Any:
    made = Visit(stack)
    made.sign_in("fang")
    yield made
    made.close()


def test_no_cell_is_a_formula(shop: Shop, visit: Visit) -> None:
    numbers = {shop.paid(description=formula): formula for formula in FORMULAS}
    told = {row["out_trade_no"]: row["description"] for row in _rows(visit, "/export/orders.csv")}
    for number, formula in numbers.items():
        assert told[number] == f"'{formula}"


def test_amounts_come_in_fen_and_in_yuan(shop: Shop, visit: Visit) -> None:
    case_no = shop.applied(shop.paid())
    (row,) = _rows(visit, f"/export/cases.csv?text={case_no}")
    assert (row["refund_fee_fen"], row["refund_fee_yuan"]) == ("9800", "98.00")
    assert row["state"] == "PENDING_MERCHANT"


def test_filters_hold_for_the_spreadsheet_too(shop: Shop, visit: Visit) -> None:
    shop.applied(shop.paid())
    states = {row["state"] for row in _rows(visit, "/export/cases.csv?state=PENDING_MERCHANT")}
    assert states == {"PENDING_MERCHANT"}
    assert _rows(visit, "/export/cases.csv?yuan_min=98.01&yuan_max=98.02") == []


def test_no_spreadsheet_names_a_buyer(shop: Shop, visit: Visit) -> None:
    shop.paid()
    assert "oUpF8uMuAJO" not in visit.get("/export/orders.csv").text
