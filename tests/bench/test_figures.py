"""What the tables say of what was measured."""

from collections import Counter
from pathlib import Path

import pytest

from bench.cost import Spent
from bench.counters import parsed
from bench.figures import Goal, Row, Section, markdown, number, spread
from bench.load import Burst, burst
from bench.pages import PAGES, filled
from bench.price import Business, Prices, per_million_orders

METRICS = """
action{action_type="command_StartTimer",namespace="default",operation="x",service_name="h"} 3
action{action_type="command_StartTimer",namespace="default",operation="y",service_name="h"} 1
action{action_type="grpc_StartWorkflowExecution",namespace="temporal_system",operation="z"} 2
action_other{namespace="default"} 9
"""


def test_the_ratio_is_formed_repeat_by_repeat() -> None:
    row = Row("x", "ms", (2, 9, 4), "other", (1, 3, 4), Goal(2))
    assert row.ratios == [2, 3, 1]
    assert row.verdict == "yes"
    assert row.cells[4] == "2 (1–3)×"


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        (Goal(1.9), "NO"),
        (Goal(2, at_least=True), "yes"),
        (Goal(5, of_ours=True), "yes"),
        (Goal(5, at_least=True, of_ours=True), "NO"),
        (None, "–"),
    ],
)
def test_a_goal_limits_the_ratio_or_our_own_figure(goal: Goal | None, verdict: str) -> None:
    assert Row("x", "ms", (4,), "other", (2,), goal).verdict == verdict


def test_numbers_have_the_digits_that_mean_something() -> None:
    assert [number(value) for value in (0, 12345, 1234.5, 12.345, 0.01234)] == [
        "0", "12,345", "1,234", "12.3", "0.0123",
    ]  # fmt: skip
    assert spread((1, 3, 2)) == "2 (1–3)"
    assert spread((7,)) == "7"


def test_the_markdown_has_a_line_for_each_row_and_the_note() -> None:
    told = markdown(Section("s", "S", [Row("x", "ms", (4,)), Row("y", "", (5,))], "How."))
    assert told.splitlines()[2:] == [
        "| x | 4 ms | – | – | – | – | – |",
        "| y | 5 | – | – | – | – | – |",
        "",
        "How.",
    ]


def test_a_section_is_put_between_its_own_markers() -> None:
    page = "a\n<!-- bench: x -->\nold\n<!-- /bench: x -->\nb\n<!-- bench: y --><!-- /bench: y -->"
    put = filled(page, "x", "new \\1")
    assert put == page.replace("old", "new \\1")
    with pytest.raises(ValueError, match="no markers for z"):
        filled(page, "z", "new")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize(
    "name",
    ["cost", "price", "acknowledgement", "orders", "waiting", "growth", "plan", "quota", "startup"],
)
def test_every_page_has_a_place_for_every_section(page: Path, name: str) -> None:
    filled(page.read_text(encoding="utf-8"), name, "")


def test_actions_are_counted_by_type_in_one_namespace() -> None:
    assert parsed(METRICS, "default") == {"command_StartTimer": 4}


async def test_a_burst_does_each_once_with_so_many_in_flight() -> None:
    done: list[int] = []
    flying = most = 0

    async def do(subject: int) -> None:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        done.append(subject)
        flying -= 1

    told = await burst(do, range(10), in_flight=3)
    assert sorted(done) == list(range(10))
    assert len(told.each_ms) == 10
    assert most <= 3


def test_a_burst_tells_rate_and_percentiles() -> None:
    told = Burst(2.0, [float(ms) for ms in range(1, 101)])
    assert told.per_second == 50
    assert told.p50_ms == 50.5
    assert told.p99_ms == pytest.approx(99.01)


def test_money_is_what_was_spent_times_the_prices() -> None:
    def spent(actions: int) -> Spent:
        return Spent(Counter({"any": actions}), events=1, history_bytes=1000, rows=1, row_bytes=400)

    each = {
        "completed order": spent(20),
        "unshipped refund, after paying": spent(40),
        "return refund, after receiving": spent(60),
    }
    business = Business(0.5, 0.0, open_days=1, retained_days=1, kept_months=1)
    dollars = per_million_orders(each, Prices(50, 1, 0.1, 2), business)
    assert dollars == pytest.approx(
        {
            "Actions": 2000,
            "histories of open orders": 36,
            "histories kept afterwards": 3.6,
            "tables": 3,
        }
    )
