"""How much is refunded, why, how fast, and who decided."""

from typing import Annotated, Any

from fastapi import Depends, Request
from nicegui import ui

from api.console import formats
from api.console.frame import frame
from api.console.menu import STATISTICS
from api.console.visitor import Entrance, Visitor
from api.console.widgets.basic import card, empty, tag
from api.console.widgets.chart import bars, chart, ring
from api.console.widgets.period_bar import PeriodBar
from db import statistics
from db.statistics import Period
from db.views import View
from domain.after_sale import CaseState
from domain.days import end_of, start_of

STEPS = [str(state) for state in CaseState]


@ui.page(STATISTICS.path)
async def statistics_page(
    visitor: Annotated[Visitor, Depends(Entrance(STATISTICS))], request: Request
) -> None:
    """Numbers about a stretch of time."""
    with frame(visitor, STATISTICS):
        await Statistics(visitor, request).open()


class Statistics:
    """The open page."""

    def __init__(self, visitor: Visitor, request: Request) -> None:
        self._visitor = visitor
        self._bar = PeriodBar(visitor, request.query_params, self.refresh)
        self._sheet = tag("div", classes="stack")

    async def open(self) -> None:
        """Show it; numbers about weeks need not follow each second."""
        await self._bar.draw(every_merchant=True)
        await self.refresh()

    async def refresh(self) -> None:
        """Count again."""
        bar = self._bar
        period = Period(start_of(bar.since), end_of(bar.until), bar.merchant_id)
        told = await self._visitor.read(lambda session: statistics.overview(session, period))
        self._sheet.clear()
        with self._sheet:
            self._tiles(told)
            if told["cases"]:
                self._charts(told)
            else:
                empty(self._visitor.t("statistics.none"))

    def _tiles(self, told: View) -> None:
        sales, platform, decisions = told["sales"], told["platform"], told["decisions"]
        t = self._visitor.t
        orders = t("statistics.of", part=sales["refunded_orders"], whole=sales["orders"])
        money = t(
            "statistics.of",
            part=formats.money(sales["refunded_fen"]),
            whole=formats.money(sales["fen"]),
        )
        processed = platform["in_time"] + platform["late"]
        decided = decisions["people"] + decisions["clock"]
        with tag("div", classes="tiles"):
            self._tile("rate_orders", sales["refunded_orders"], sales["orders"], orders)
            self._tile("rate_money", sales["refunded_fen"], sales["fen"], money)
            self._tile(
                "in_time",
                platform["in_time"],
                processed,
                t("statistics.of", part=platform["in_time"], whole=processed),
            )
            self._tile(
                "by_clock",
                decisions["clock"],
                decided,
                t("statistics.of", part=decisions["clock"], whole=decided),
            )

    def _tile(self, key: str, part: int, whole: int, about: str) -> None:
        with tag("div", classes="tile"):
            share = f"{part / whole:.1%}" if whole else "–"
            tag("span", share, classes="tile-count")
            tag("span", self._visitor.t(f"statistics.{key}"), classes="tile-label")
            tag("span", about, classes="muted small")

    def _charts(self, told: View) -> None:
        with tag("div", classes="charts"):
            self._by_day(told["days"])
            self._reasons(told["reasons"])
            if told["steps"]:
                self._steps(told["steps"])
            self._outcomes(told["outcomes"])

    def _by_day(self, days: list[View]) -> None:
        t = self._visitor.t
        title = t("statistics.by_day")
        series: list[dict[str, Any]] = [
            {"name": t("statistics.cases"), "data": [day["cases"] for day in days]},
            {
                "name": t("statistics.refunded"),
                "data": [day["fen"] / 100 for day in days],
                "type": "line",
                "axis": 1,
                "unit": "¥",
            },
        ]
        with card(title, classes="wide-card"):
            chart(title, bars([day["day"][5:] for day in days], series))

    def _reasons(self, reasons: dict[str, int]) -> None:
        title = self._visitor.t("statistics.reasons")
        parts = [
            (self._visitor.said("reason_code", code), count) for code, count in reasons.items()
        ]
        with card(title):
            chart(title, ring(parts))

    def _outcomes(self, outcomes: dict[str, int]) -> None:
        title = self._visitor.t("statistics.outcomes")
        parts = [
            (self._visitor.said("case_state", state), count) for state, count in outcomes.items()
        ]
        with card(title):
            chart(title, ring(parts))

    def _steps(self, steps: list[View]) -> None:
        visitor, title = self._visitor, self._visitor.t("statistics.steps")
        steps = sorted(steps, key=lambda step: STEPS.index(step["state"]))
        names = [visitor.said("case_state", step["state"]) for step in steps]
        unit, seconds = _unit(max(step["most"] for step in steps))
        series: list[dict[str, Any]] = [
            {
                "name": visitor.t(f"statistics.{name}"),
                "data": [round(step[name] / seconds, 2) for step in steps],
                "own_axis": name == "mean",
                "unit": visitor.t(f"statistics.{unit}"),
            }
            for name in ("mean", "most")
        ]
        with card(title):
            chart(title, bars(names, series, lying=True))
            with tag("table", classes="sum"), tag("tbody"):
                for name, step in zip(names, steps, strict=True):
                    with tag("tr"):
                        tag("th", name).props('scope="row"')
                        tag("td", str(step["cases"]), classes="right muted")
                        tag("td", formats.length(visitor, step["mean"]), classes="right")
                        tag("td", formats.length(visitor, step["most"]), classes="right")


def _unit(longest_s: float) -> tuple[str, int]:
    """The unit in which such times read well, and its length in seconds."""
    for unit, seconds in (("hours", formats.HOUR), ("minutes", formats.MINUTE)):
        if longest_s >= seconds:
            return unit, seconds
    return "seconds", 1
