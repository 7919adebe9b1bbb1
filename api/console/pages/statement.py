"""A merchant's statement of a period: what was sold, refunded, charged and released."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Request
from nicegui import ui

from api import statements
from api.console.frame import frame
from api.console.menu import STATEMENT
from api.console.visitor import Entrance, Visitor
from api.console.widgets.basic import card, empty, money, number_link, secondary, tag
from api.console.widgets.live import Live
from api.console.widgets.period_bar import PeriodBar
from api.statements import Period
from db.views import View
from domain.days import end_of, start_of
from domain.refusals import Refused

FIGURES = (
    "paid",
    "refunded",
    "released",
    "commission",
    "handling_fee",
    "refunds_charged",
    "settled",
)
LINES_SHOWN_MAX = 200


@ui.page(STATEMENT.path)
async def statement_page(
    visitor: Annotated[Visitor, Depends(Entrance(STATEMENT))], request: Request
) -> None:
    """A merchant's statement."""
    with frame(visitor, STATEMENT):
        page = StatementView(visitor, request)
        await page.open()


class StatementView:
    """The open page."""

    def __init__(self, visitor: Visitor, request: Request) -> None:
        self._visitor = visitor
        self._live = Live(visitor)
        self._bar = PeriodBar(visitor, request.query_params, self.refresh)
        self._shown: View | None = None
        self._sheet = tag("div", classes="stack")

    async def open(self) -> None:
        """Show it, and keep it true."""
        await self._bar.draw(every_merchant=False)
        await self._live.follow(self.refresh)

    async def refresh(self) -> None:
        """Read the period again."""
        visitor, bar = self._visitor, self._bar
        try:
            period = Period(start_of(bar.since), end_of(bar.until))
            said = await statements.get_statement(
                bar.merchant_id, period, visitor.context, visitor.principal
            )
        except Refused:
            said = {}
        if said == self._shown:
            return
        self._shown = said
        self._sheet.clear()
        with self._sheet:
            if said:
                self._show(said)
            else:
                empty(visitor.t("statement.none"))

    def _show(self, said: View) -> None:
        t = self._visitor.t
        with tag("div", classes="tiles"):
            _figure(t("statement.opening"), said["opening"]["net"])
            _figure(t("statement.settled"), said["totals"]["settled"])
            _figure(t("statement.closing"), said["closing"]["net"])
        with card(t("statement.lines"), classes="flush"):
            self._lines(said)
        query = {
            "merchant_id": self._bar.merchant_id,
            "since": str(self._bar.since),
            "until": str(self._bar.until),
        }
        path = f"/export/statement.csv?{urlencode(query)}"
        with tag("div", classes="pager"):
            secondary(t("list.export"), lambda: ui.navigate.to(path))

    def _lines(self, said: View) -> None:
        t = self._visitor.t
        with tag("div", classes="grid-scroll").props('tabindex="0" role="region"') as region:
            region.props["aria-label"] = t("statement.lines")
            with tag("table", classes="grid"):
                with tag("thead"), tag("tr"):
                    tag("th", t("column.order")).props('scope="col"')
                    for name in FIGURES:
                        tag("th", t(f"statement.{name}"), classes="right").props('scope="col"')
                with tag("tbody"):
                    for line in said["lines"][:LINES_SHOWN_MAX]:
                        self._line(line)
                with tag("tfoot"), tag("tr", classes="sum-total"):
                    tag("th", t("ledger.total")).props('scope="row"')
                    for name in FIGURES:
                        with tag("td", classes="right"):
                            money(said["totals"][name])
        if len(said["lines"]) > LINES_SHOWN_MAX:
            tag("p", t("statement.more", count=len(said["lines"])), classes="muted small")

    def _line(self, line: View) -> None:
        t = self._visitor.t
        with tag("tr"):
            with tag("td") as cell:
                cell.props["data-label"] = t("column.order")
                number_link(line["out_trade_no"], f"/orders/{line['out_trade_no']}")
            for name in FIGURES:
                with tag("td", classes="right") as cell:
                    cell.props["data-label"] = t(f"statement.{name}")
                    money(line[name], classes="" if line[name] else "muted")


def _figure(label: str, fen: int) -> None:
    with tag("div", classes="tile"):
        money(fen, classes="tile-count")
        tag("span", label, classes="tile-label")
