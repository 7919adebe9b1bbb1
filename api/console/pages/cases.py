"""All cases: searched, filtered, decided in bulk, exported."""

from typing import Annotated

from fastapi import Depends, Request
from nicegui import ui
from sqlmodel import Session

from api.console.filters import Asked
from api.console.frame import frame
from api.console.menu import CASES
from api.console.visitor import Entrance, Visitor, now
from api.console.widgets.basic import secondary, tag
from api.console.widgets.bulk import BulkBar
from api.console.widgets.case_grid import case_grid
from api.console.widgets.filter_bar import FilterBar
from api.console.widgets.live import Live
from api.console.widgets.pager import Pager
from api.console.widgets.tabs import Tabs
from db import worklists
from db.lists import Page
from domain.after_sale import CaseState, Origin
from domain.allocation import Party
from domain.order import CaseType, ReasonCode

DUE = ("overdue", "alarmed", "soon", "breached")


@ui.page(CASES.path)
async def cases_page(
    visitor: Annotated[Visitor, Depends(Entrance(CASES))], request: Request
) -> None:
    """All cases."""
    with frame(visitor, CASES):
        await Cases(visitor, Asked.read(request.query_params)).open()


class Cases:
    """The open page."""

    def __init__(self, visitor: Visitor, asked: Asked) -> None:
        self._visitor = visitor
        self._asked = asked
        self._live = Live(visitor)
        self._tabs = Tabs(
            visitor, "case_state", list(CaseState), lambda: asked.state, self._choose_state
        )
        self._filters()
        self._bulk = BulkBar(visitor, self.refresh)
        with tag("section", classes="card flush"):
            self._grid = case_grid(
                visitor, self._live, self.refresh, self._bulk.chosen, self._bulk.show
            )
            self._nothing = tag("p", visitor.t("list.nothing"), classes="empty")
        self._pager = Pager(visitor, self.refresh)

    async def open(self) -> None:
        """Show it, and keep it true."""
        await self._live.follow(self.refresh)

    async def refresh(self) -> None:
        """Look again, at the same page of the list."""
        page, counts = await self._visitor.read(self._look)
        self._tabs.show(counts)
        self._grid.show(page.items)
        self._nothing.set_visibility(not page.items)
        self._bulk.keep(page.items)
        self._pager.show(page.cursor)

    def _look(self, session: Session) -> tuple[Page, dict[str, int]]:
        wanted = self._asked.filter(self._visitor, self._pager.cursor)
        page = worklists.cases(session, wanted, now())
        return page, worklists.case_counts(session, wanted.merchant_id)

    def _filters(self) -> None:
        said, t = self._visitor.said, self._visitor.t
        bar = FilterBar(self._visitor, self._asked, self._changed)
        bar.text("text", t("filter.text"), "wide", "search")
        bar.choice("due", t("filter.due"), {due: t(f"due.{due}") for due in DUE})
        bar.choice("type", t("filter.type"), {one: said("case_type", one) for one in CaseType})
        bar.choice(
            "reason_code",
            t("filter.reason"),
            {one: said("reason_code", one) for one in ReasonCode},
        )
        bar.choice(
            "responsibility",
            t("filter.responsibility"),
            {one: said("responsibility", one) for one in Party},
        )
        with bar.row:
            secondary(t("list.export"), self._export)
        bar.more("origin", "merchant_id", "yuan_min", "yuan_max", "since", "until")
        bar.choice("origin", t("filter.origin"), {one: said("origin", one) for one in Origin})
        if self._visitor.principal.role != "merchant":
            bar.text("merchant_id", t("filter.merchant"))
        bar.text("yuan_min", t("filter.yuan_min"), "narrow")
        bar.text("yuan_max", t("filter.yuan_max"), "narrow")
        bar.text("since", t("filter.since"), "date", "date")
        bar.text("until", t("filter.until"), "date", "date")

    async def _choose_state(self, state: str) -> None:
        self._asked.state = state
        await self._changed()

    async def _changed(self) -> None:
        self._pager.first()
        self._bulk.clear()
        ui.navigate.history.replace(f"{self._visitor.prefix}/cases?{self._asked.address()}")
        await self.refresh()

    def _export(self) -> None:
        ui.navigate.to(f"/export/cases.csv?{self._asked.address()}")
