"""All orders: searched, filtered, exported."""

from typing import Annotated

from fastapi import Depends, Request
from nicegui import ui
from sqlmodel import Session

from api.console.filters import Asked
from api.console.frame import frame
from api.console.menu import ORDERS
from api.console.visitor import Entrance, Visitor
from api.console.widgets.basic import badge, merchant, moment, money, number_link, secondary, tag
from api.console.widgets.filter_bar import FilterBar
from api.console.widgets.grid import Column, Grid
from api.console.widgets.live import Live
from api.console.widgets.pager import Pager
from api.console.widgets.tabs import Tabs
from db import worklists
from db.lists import Page
from db.views import View
from domain.order import OrderState


@ui.page(ORDERS.path)
async def orders_page(
    visitor: Annotated[Visitor, Depends(Entrance(ORDERS))], request: Request
) -> None:
    """All orders."""
    with frame(visitor, ORDERS):
        await Orders(visitor, Asked.read(request.query_params)).open()


class Orders:
    """The open page."""

    def __init__(self, visitor: Visitor, asked: Asked) -> None:
        self._visitor = visitor
        self._asked = asked
        self._live = Live(visitor)
        self._tabs = Tabs(
            visitor, "order_state", list(OrderState), lambda: asked.state, self._choose_state
        )
        self._filters()
        with tag("section", classes="card flush"):
            self._grid = _grid(visitor, self._live)
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
        self._pager.show(page.cursor)

    def _look(self, session: Session) -> tuple[Page, dict[str, int]]:
        wanted = self._asked.filter(self._visitor, self._pager.cursor)
        page = worklists.orders(session, wanted)
        return page, worklists.order_counts(session, wanted.merchant_id)

    def _filters(self) -> None:
        t = self._visitor.t
        bar = FilterBar(self._visitor, self._asked, self._changed)
        bar.text("text", t("filter.text_order"), "wide", "search")
        if self._visitor.principal.role != "merchant":
            bar.text("merchant_id", t("filter.merchant"))
        bar.text("yuan_min", t("filter.yuan_min"), "narrow")
        bar.text("yuan_max", t("filter.yuan_max"), "narrow")
        bar.text("since", t("filter.since"), "date", "date")
        bar.text("until", t("filter.until"), "date", "date")
        with bar.row:
            secondary(t("list.export"), self._export)

    async def _choose_state(self, state: str) -> None:
        self._asked.state = state
        await self._changed()

    async def _changed(self) -> None:
        self._pager.first()
        ui.navigate.history.replace(f"{self._visitor.prefix}/orders?{self._asked.address()}")
        await self.refresh()

    def _export(self) -> None:
        ui.navigate.to(f"/export/orders.csv?{self._asked.address()}")


def _grid(visitor: Visitor, live: Live) -> Grid:
    t = visitor.t
    columns = [
        Column(t("column.order"), _number),
        Column(t("column.state"), lambda order: badge(visitor, "order_state", order["state"])),
        Column(t("column.paid"), lambda order: _paid(visitor, order)),
        Column(t("column.merchant"), merchant),
        Column(t("column.total"), lambda order: money(order["total_fee"]), "right"),
        Column(t("column.deadline"), live.countdown),
        Column(t("column.placed"), lambda order: moment(visitor, order["placed_at"])),
        Column(t("column.updated"), lambda order: moment(visitor, order["updated_at"])),
    ]
    return Grid(columns, "out_trade_no", t("grid.orders"))


def _number(order: View) -> None:
    number_link(order["out_trade_no"], f"/orders/{order['out_trade_no']}")
    tag("div", order["description"], classes="muted small")


def _paid(visitor: Visitor, order: View) -> None:
    tone = {1: "green", 2: "red"}.get(order["pay_state"], "grey")
    badge(visitor, "pay_state", str(order["pay_state"]), tone)
