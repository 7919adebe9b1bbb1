"""The refund desk: every movement of money back, those in trouble first."""

from typing import Annotated

from fastapi import Depends, Request
from nicegui import ui
from sqlmodel import Session

from api.console.filters import Asked
from api.console.frame import frame
from api.console.menu import REFUNDS
from api.console.visitor import Entrance, Visitor, now
from api.console.widgets.basic import badge, card, empty, merchant, moment, money, number_link, tag
from api.console.widgets.filter_bar import FilterBar
from api.console.widgets.grid import Column, Grid
from api.console.widgets.live import Live
from api.console.widgets.pager import Pager
from api.console.widgets.refund_list import refund_actions, refund_list
from api.console.widgets.tabs import Tabs
from db import work_queue, worklists
from db.lists import Page
from db.views import View
from domain.refund import RefundState


@ui.page(REFUNDS.path)
async def refunds_page(
    visitor: Annotated[Visitor, Depends(Entrance(REFUNDS))], request: Request
) -> None:
    """The refund desk."""
    with frame(visitor, REFUNDS):
        await Refunds(visitor, Asked.read(request.query_params)).open()


class Refunds:
    """The open page."""

    def __init__(self, visitor: Visitor, asked: Asked) -> None:
        self._visitor = visitor
        self._asked = asked
        self._troubled: list[View] | None = None
        self._live = Live(visitor)
        with card(visitor.t("queue.refunds")):
            self._trouble = tag("div")
        self._tabs = Tabs(
            visitor, "refund_state", list(RefundState), lambda: asked.state, self._choose_state
        )
        bar = FilterBar(visitor, asked, self._changed)
        bar.text("text", visitor.t("filter.text"), "wide", "search")
        bar.text("merchant_id", visitor.t("filter.merchant"))
        with tag("section", classes="card flush"):
            self._grid = self._make_grid()
            self._nothing = tag("p", visitor.t("list.nothing"), classes="empty")
        self._pager = Pager(visitor, self.refresh)

    async def open(self) -> None:
        """Show it, and keep it true."""
        await self._live.follow(self.refresh)

    async def refresh(self) -> None:
        """Look again, at the same page of the list."""
        troubled, page, counts = await self._visitor.read(self._look)
        if troubled != self._troubled:
            self._troubled = troubled
            self._trouble.clear()
            with self._trouble:
                refund_list(self._visitor, troubled, self.refresh)
                if not troubled:
                    empty(self._visitor.t("queue.no_refunds"))
        self._tabs.show(counts)
        self._grid.show(page.items)
        self._nothing.set_visibility(not page.items)
        self._pager.show(page.cursor)

    def _look(self, session: Session) -> tuple[list[View], Page, dict[str, int]]:
        wanted = self._asked.filter(self._visitor, self._pager.cursor)
        page = worklists.refunds(session, wanted)
        shown = Page(work_queue.with_proposals(session, page.items), page.cursor)
        troubled = work_queue.troubled_refunds(session, now())
        return troubled, shown, worklists.refund_counts(session)

    def _make_grid(self) -> Grid:
        visitor, t = self._visitor, self._visitor.t
        columns = [
            Column(t("column.refund_no"), _number),
            Column(
                t("column.state"), lambda refund: badge(visitor, "refund_state", refund["state"])
            ),
            Column(t("column.amount"), lambda refund: money(refund["refund_fee"]), "right"),
            Column(t("fact.accepted_at"), lambda refund: moment(visitor, refund["accepted_at"])),
            Column(t("fact.succeeded_at"), lambda refund: moment(visitor, refund["succeeded_at"])),
            Column(
                t("column.merchant"),
                merchant,
            ),
            Column("", lambda refund: refund_actions(visitor, refund, self.refresh), "right"),
        ]
        return Grid(columns, "out_refund_no", t("grid.refunds"))

    async def _choose_state(self, state: str) -> None:
        self._asked.state = state
        await self._changed()

    async def _changed(self) -> None:
        self._pager.first()
        ui.navigate.history.replace(f"{self._visitor.prefix}/refunds?{self._asked.address()}")
        await self.refresh()


def _number(refund: View) -> None:
    path = f"/cases/{refund['case_no']}" if refund["case_no"] else ""
    number_link(refund["out_refund_no"], path or f"/orders/{refund['out_trade_no']}")
    tag("div", refund["refund_id"] or refund["problem"], classes="muted small")
