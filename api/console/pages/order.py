"""One order: its lines and their slices, payments, vouchers, cases, and what happened."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from nicegui import ui
from sqlmodel import Session
from starlette.responses import Response

from api import privacy
from api.console import decide, door, formats, sending
from api.console.frame import frame
from api.console.menu import ORDER
from api.console.visitor import Entrance, Visitor
from api.console.widgets import facts
from api.console.widgets.basic import (
    badge,
    card,
    empty,
    moment,
    money,
    number_link,
    secondary,
    tag,
)
from api.console.widgets.dialog import Dialog
from api.console.widgets.live import Live
from api.console.widgets.order_sum import order_sum
from api.console.widgets.postings import postings
from api.console.widgets.timeline import timeline
from db import effects, trial_balance, views
from db.views import View
from domain.order import OrderState


@dataclass
class Seen:
    """An order as it stands."""

    order: View
    lines: list[View]
    payments: list[View]
    postings: list[View]


@ui.page(ORDER.path)
async def order_page(
    out_trade_no: str, visitor: Annotated[Visitor, Depends(Entrance(ORDER))], request: Request
) -> Response | None:
    """One order."""
    path = f"/orders/{out_trade_no}"
    seen = await visitor.find(lambda session: _look(session, visitor, out_trade_no), path)
    if seen is None:
        return door.message(request, "refused.missing", 404)
    with frame(visitor, ORDER, visitor.t("order.title", out_trade_no=out_trade_no)):
        await OrderView(visitor, seen).open()
    return None


class OrderView:
    """The open page."""

    def __init__(self, visitor: Visitor, seen: Seen) -> None:
        self._visitor = visitor
        self._number: str = seen.order["out_trade_no"]
        self._shown: Seen | None = None
        self._openid = ""
        self._live = Live(visitor)
        self._head = tag("div", classes="case-head")
        with tag("div", classes="halves"):
            self._left = tag("div", classes="stack")
            self._right = tag("div", classes="stack")

    async def open(self) -> None:
        """Show it, and keep it true."""
        await self._live.follow(self.refresh)

    async def refresh(self) -> None:
        """Look again; what did not change is not drawn anew."""
        seen = await self._visitor.read(lambda session: _look(session, self._visitor, self._number))
        if seen == self._shown:
            return
        self._shown = seen
        for part in (self._head, self._left, self._right):
            part.clear()
        with self._head:
            self._show_head(
                seen.order, any(one["held"] < one["total_fee"] for one in seen.payments)
            )
        with self._left:
            self._show_money(seen)
        with self._right:
            self._show_story(seen)

    def _show_head(self, order: View, is_left: bool) -> None:
        visitor, t = self._visitor, self._visitor.t
        with tag("div", classes="case-state"):
            badge(visitor, "order_state", order["state"])
            if order["deadline_at"]:
                tag("span", visitor.said("policy", order["deadline"]), classes="muted")
                self._live.countdown(order)
        with tag("div", classes="case-actions"):
            ships = order["state"] == OrderState.AWAITING_SHIPMENT
            if visitor.may("orders.ship") and ships:
                secondary(t("ship.button"), self._ask_shipment)
            if visitor.may("refunds.rest") and is_left:
                secondary(t("rest.button"), self._ask_rest)

    def _ask_shipment(self) -> None:
        t = self._visitor.t
        dialog = Dialog(self._visitor, t("ship.title"), t("ship.button"))
        carrier = dialog.field(t("ship.carrier"))
        tracking_no = dialog.field(t("ship.tracking_no"))
        with dialog.body:
            left_before = ui.checkbox(t("ship.already"))
        sender = sending.as_visitor(self._visitor)
        dialog.open(
            lambda key: sender.ship(
                self._number,
                key,
                carrier=carrier.value,
                tracking_no=tracking_no.value,
                already_shipped=left_before.value,
            ),
            self.refresh,
        )

    def _ask_rest(self) -> None:
        sender = sending.as_visitor(self._visitor)
        decide.confirm(
            self._visitor,
            self._visitor.t("rest.button"),
            self._visitor.t("rest.about", out_trade_no=self._number),
            lambda key: sender.refund_rest(self._number, key),
            self.refresh,
        )

    def _show_money(self, seen: Seen) -> None:
        visitor, order = self._visitor, seen.order
        with card(visitor.t("order.sum")):
            order_sum(visitor, order, seen.lines)
        with card(visitor.t("order.payments")):
            self._show_payments(seen.payments)
        if order["gifts"]:
            with card(visitor.t("order.gifts")):
                self._show_gifts(order["gifts"])
        with card(visitor.t("order.facts")):
            facts.of_order(visitor, order, lambda: self._show_openid(order))
        if visitor.may("ledger.read"):
            with card(visitor.t("case.postings")):
                postings(visitor, seen.postings)

    def _show_payments(self, payments: list[View]) -> None:
        visitor = self._visitor
        if not payments:
            empty(visitor.t("order.unpaid"))
        with tag("ul", classes="lines"):
            for payment in payments:
                with tag("li", classes="line"):
                    badge(visitor, "payment_kind", payment["kind"], "blue")
                    with tag("div", classes="line-body"):
                        tag("span", payment["transaction_id"], classes="number")
                        held = visitor.t(
                            "order.held",
                            held=formats.money(payment["held"]),
                            fee=formats.money(payment["fee"]),
                        )
                        tag("span", held, classes="muted")
                    money(payment["total_fee"])
                    moment(visitor, payment["paid_at"])

    def _show_gifts(self, gifts: list[View]) -> None:
        with tag("ul", classes="lines"):
            for gift in gifts:
                with tag("li", classes="line"):
                    badge(self._visitor, "coupon_state", gift["state"] or "", "violet")
                    with tag("div", classes="line-body"):
                        tag("span", gift["title"])
                        tag("span", gift["coupon_no"], classes="number muted")
                    money(gift["face_value"])

    def _show_openid(self, order: View) -> None:
        visitor = self._visitor
        tag("span", self._openid or privacy.masked(order["openid"]), classes="number")
        if visitor.may("personal_data.read") and not self._openid:
            secondary(visitor.t("order.reveal"), lambda: self._reveal(order)).props("dense")

    async def _reveal(self, order: View) -> None:
        """The whole of it, once this is written down."""
        if not await self._visitor.is_still_in():
            return
        await self._visitor.note("personal_data.read", "read", self._number)
        self._openid, self._shown = order["openid"], None
        await self.refresh()

    def _show_story(self, seen: Seen) -> None:
        visitor = self._visitor
        with card(visitor.t("order.cases")):
            if not seen.order["after_sales"]:
                empty(visitor.t("order.no_cases"))
            with tag("ul", classes="lines"):
                for case in seen.order["after_sales"]:
                    with tag("li", classes="line"):
                        badge(visitor, "case_state", case["state"])
                        with tag("div", classes="line-body"):
                            number_link(case["case_no"], f"/cases/{case['case_no']}")
                            tag("span", visitor.said("case_type", case["type"]), classes="muted")
                        money(case["amounts"]["refund_fee"])
        with card(visitor.t("case.timeline")):
            timeline(visitor, seen.order["timeline"])
            facts.run_link(visitor, f"order-{self._number}")


def _look(session: Session, visitor: Visitor, out_trade_no: str) -> Seen:
    order = views.order(session, out_trade_no)
    visitor.principal.check_sees(order)
    reads_ledger = visitor.may("ledger.read")
    return Seen(
        order,
        effects.order_lines(session, out_trade_no),
        effects.payments(session, out_trade_no),
        trial_balance.entries(session, out_trade_no) if reads_ledger else [],
    )
