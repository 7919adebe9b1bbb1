"""The sandbox: place, pay, ship, ask for the money back, break WeChat Pay, let time pass."""

from typing import Annotated

from fastapi import Depends, Request
from nicegui import ui
from sqlmodel import Session

from api.console import formats, sending
from api.console.frame import frame
from api.console.menu import SANDBOX
from api.console.sending import Outcome
from api.console.visitor import Entrance, Visitor
from api.console.widgets.basic import card, empty, notify, number_link, primary, tag
from api.console.widgets.dialog import explained
from api.console.widgets.faults import Faults
from api.console.widgets.live import Live
from api.console.widgets.story import Story
from db import views, worklists
from db.views import View
from db.worklists import Filter
from domain.refusals import Refused

RECENT = 8
CUPS = {
    "merchant_id": "m1",
    "openid": "o-sandbox-buyer",
    "description": "茶杯两只",
    "freight": 800,
    "lines": [{"sku": "cup", "title": "手作茶杯", "quantity": 2, "unit_price": 4500}],
}
TEA_SET = {
    "merchant_id": "m1",
    "openid": "o-sandbox-buyer",
    "description": "茶具一套",
    "freight": 800,
    "merchant_discount": 2000,
    "platform_coupon": 1000,
    "lines": [
        {"sku": "A", "title": "盖碗", "quantity": 2, "unit_price": 5990},
        {"sku": "B", "title": "茶叶", "quantity": 1, "unit_price": 3500},
        {"sku": "C", "title": "茶巾", "quantity": 3, "unit_price": 1250},
    ],
}
GIFT = {"title": "5 元兑换券", "face_value": 500, "keep_if_goods_at_least": 10_000}
BASKETS = {"cups": CUPS, "tea_set": TEA_SET}


@ui.page(SANDBOX.path)
async def sandbox_page(
    visitor: Annotated[Visitor, Depends(Entrance(SANDBOX))], request: Request
) -> None:
    """The sandbox."""
    with frame(visitor, SANDBOX):
        await Sandbox(visitor, request.query_params.get("order", "")).open()


class Sandbox:
    """The open page."""

    def __init__(self, visitor: Visitor, number: str) -> None:
        self._visitor = visitor
        self._number = number
        self._shown: object = None
        self._live = Live(visitor)
        tag("p", visitor.t("sandbox.about"), classes="lead")
        with tag("div", classes="halves"):
            with tag("div", classes="stack"):
                with card(visitor.t("sandbox.place")):
                    self._baskets()
                self._story = card(visitor.t("sandbox.story"))
            with tag("div", classes="stack"):
                with card(visitor.t("sandbox.recent")):
                    self._recent = tag("div")
                with card(visitor.t("sandbox.faults")):
                    self._faults = Faults(visitor)

    async def open(self) -> None:
        """Show it, and keep it true."""
        await self._faults.open()
        await self._live.follow(self.refresh)

    async def refresh(self) -> None:
        """Look again."""
        recent = (await self._visitor.read(_latest)).copy()
        if not self._number and recent:
            self._number = recent[0]["out_trade_no"]
        order = await self._order()
        if (recent, order) == self._shown:
            return
        self._shown = (recent, order)
        self._recent.clear()
        with self._recent:
            self._show_recent(recent)
        self._story.clear()
        with self._story:
            tag("h2", self._visitor.t("sandbox.story"), classes="card-title")
            if order is None:
                empty(self._visitor.t("sandbox.no_order"))
            else:
                await Story(self._visitor, self._live, order, self.refresh).show()

    async def _order(self) -> View | None:
        try:
            return await self._visitor.read(lambda session: views.order(session, self._number))
        except Refused:
            return None

    def _baskets(self) -> None:
        with tag("div", classes="row-actions wrap"):
            for name in BASKETS:

                async def place(name: str = name) -> None:
                    await self._place(name)

                primary(self._visitor.t(f"basket.{name}"), place)

    async def _place(self, basket: str) -> None:
        key = formats.fresh_key()
        body = dict(BASKETS[basket])
        if basket == "tea_set":
            body["gifts"] = [GIFT | {"coupon_no": f"gift-{key[:12]}"}]
        outcome = await sending.as_shop(self._visitor).create_order(key, **body)
        self._tell(outcome)
        if outcome.ok:
            self._choose(outcome.view["out_trade_no"])
            await self.refresh()

    def _tell(self, outcome: Outcome) -> None:
        good = outcome.ok
        words = self._visitor.t("sandbox.placed") if good else explained(self._visitor, outcome)
        notify(words, good=good)

    def _choose(self, number: str) -> None:
        self._number = number
        ui.navigate.history.replace(f"{self._visitor.prefix}/sandbox?order={number}")

    def _show_recent(self, recent: list[View]) -> None:
        if not recent:
            empty(self._visitor.t("list.nothing"))
        with tag("ul", classes="lines"):
            for order in recent:
                with tag("li", classes="line"):
                    number = order["out_trade_no"]
                    with tag("div", classes="line-body"):
                        number_link(number, f"/sandbox?order={number}")
                        tag("span", order["description"], classes="muted")
                    tag("span", self._visitor.said("order_state", order["state"]))


def _latest(session: Session) -> list[View]:
    return worklists.orders(session, Filter(limit=RECENT)).items
