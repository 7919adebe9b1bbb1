"""One order of the sandbox, step by step: what the buyer, the shop and the clock can do next."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from nicegui import ui

from api.console import formats, sending, simulator
from api.console.sending import Outcome
from api.console.simulator import SimulatorAway
from api.console.visitor import Visitor
from api.console.widgets.basic import badge, money, notify, number_link, secondary, tag
from api.console.widgets.dialog import explained
from api.console.widgets.live import Live
from db.views import View
from domain.after_sale import FINAL

PARCEL = {"carrier": "顺丰速运", "tracking_no": "SF1234567890"}
REASONS = (("NO_REASON", "不想要了"), ("QUALITY", "杯口有裂纹"))

Act = Callable[[], Awaitable[object]]


class Story:
    """Buttons for what is possible now, and the simulator's truth beside our own."""

    def __init__(
        self,
        visitor: Visitor,
        live: Live,
        order: View,
        refresh: Callable[[], Awaitable[None]],
    ) -> None:
        self._visitor, self._live, self._order, self._refresh = visitor, live, order, refresh
        self._number: str = order["out_trade_no"]
        self._shop = sending.as_shop(visitor)

    async def show(self) -> None:
        """Draw it."""
        order, visitor = self._order, self._visitor
        with tag("div", classes="case-state"):
            number_link(self._number, f"/orders/{self._number}")
            badge(visitor, "order_state", order["state"])
            money(order["total_fee"])
            if order["deadline_at"]:
                self._live.countdown(order)
        tag("p", visitor.said("sandbox_next", self._stage()), classes="consequence")
        with tag("div", classes="row-actions wrap"):
            self._order_actions()
        for case in order["after_sales"]:
            self._case(case)
        await self._truth()

    def _stage(self) -> str:
        cases = self._order["after_sales"]
        still_open = [case for case in cases if case["state"] not in FINAL]
        return still_open[-1]["state"] if still_open else str(self._order["state"])

    def _order_actions(self) -> None:
        state = self._order["state"]
        is_open = any(case["state"] not in FINAL for case in self._order["after_sales"])
        if state == "PENDING_PAYMENT":
            self._button("pay", self._pay)
            self._button("pay_fails", lambda: self._pay(result="FAIL"))
        if state == "AWAITING_SHIPMENT":
            if not is_open:
                self._button("apply_unshipped", lambda: self._apply("REFUND_ONLY", *REASONS[0]))
            self._button("ship", lambda: self._command(self._shop.ship, **PARCEL))
        if state == "SHIPPED" and not is_open:
            self._button("receive", lambda: self._command(self._shop.receive))
        if state in ("SHIPPED", "RECEIVED"):
            for code, words in REASONS:
                self._button(f"return_{code}", partial(self._apply, "RETURN_REFUND", code, words))
        if self._order["deadline_at"]:
            self._button("expire", lambda: self._command(self._shop.expire_order))

    def _case(self, case: View) -> None:
        visitor, number = self._visitor, case["case_no"]
        with tag("div", classes="refund"):
            with tag("div", classes="line"):
                badge(visitor, "case_state", case["state"])
                with tag("div", classes="line-body"):
                    number_link(number, f"/cases/{number}")
                    tag("span", visitor.said("who_acts", case["state"]), classes="muted")
                money(case["amounts"]["refund_fee"])
                self._live.countdown(case)
            with tag("div", classes="row-actions wrap"):
                if case["state"] == "AWAITING_RETURN":
                    self._button(
                        "send_back", lambda: self._command(self._shop.send_back, number, **PARCEL)
                    )
                if case["deadline_at"]:
                    self._button("expire", lambda: self._command(self._shop.expire_case, number))

    async def _truth(self) -> None:
        """What really happened to the money, as the simulator knows it."""
        visitor = self._visitor
        try:
            told = await simulator.get(visitor, "ledger")
        except SimulatorAway as away:
            tag("p", visitor.t("sandbox.away", reason=str(away)), classes="problem")
            return
        tag("h3", visitor.t("sandbox.truth"), classes="small-title")
        payments = [one for one in told["payments"] if one["out_trade_no"] == self._number]
        refunds = [one for one in told["refunds"] if one["out_trade_no"] == self._number]
        with tag("ul", classes="lines truth"):
            for payment in payments:
                with tag("li", classes="line"):
                    tag("span", visitor.t("sandbox.paid"), classes="line-body")
                    money(payment["total_fee"])
            for refund in refunds:
                with tag("li", classes="line"):
                    moves = visitor.t("sandbox.moves", count=refund["money_moves"])
                    with tag("div", classes="line-body"):
                        tag("span", refund["out_refund_no"], classes="number")
                        tag("span", f"{refund['state']} · {moves}", classes="muted")
                    money(-refund["refund_fee"] * refund["money_moves"])
            if not payments:
                tag("li", visitor.t("sandbox.no_money"), classes="muted")

    def _button(self, key: str, act: Act) -> None:
        async def press() -> None:
            made.props("loading").disable()
            await act()
            await self._refresh()
            if not made.is_deleted:
                made.props(remove="loading").enable()

        made = secondary(self._visitor.t(f"story.{key}"), press).props("dense")

    async def _pay(self, **more: object) -> None:
        try:
            await simulator.post(self._visitor, "pay", out_trade_no=self._number, **more)
        except SimulatorAway as away:
            notify(str(away), good=False)

    async def _apply(self, kind: str, code: str, words: str) -> None:
        await self._command(self._shop.apply, type=kind, reason_code=code, reason=words)

    async def _command(
        self, send: Callable[..., Awaitable[Outcome]], number: str = "", **body: Any
    ) -> None:
        with ui.context.client.content:
            outcome = await send(number or self._number, formats.fresh_key(), **body)
            if not outcome.ok:
                notify(explained(self._visitor, outcome), good=False)
