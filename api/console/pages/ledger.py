"""The trial balance, and the postings of an order."""

from typing import Annotated

from fastapi import Depends
from nicegui import ui

from api.console import formats
from api.console.frame import frame
from api.console.menu import LEDGER
from api.console.visitor import Entrance, Visitor
from api.console.widgets.basic import badge, card, money, tag
from api.console.widgets.live import Live
from api.console.widgets.postings import postings
from db import trial_balance
from db.views import View


@ui.page(LEDGER.path)
async def ledger_page(visitor: Annotated[Visitor, Depends(Entrance(LEDGER))]) -> None:
    """The books."""
    with frame(visitor, LEDGER):
        await Ledger(visitor).open()


class Ledger:
    """The open page."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._live = Live(visitor)
        with card(visitor.t("ledger.balance")):
            self._balance = tag("div")
        with card(visitor.t("ledger.order")):
            self._ask()
            self._entries = tag("div")

    async def open(self) -> None:
        """Show it, and keep it true."""
        await self._live.follow(self.refresh)

    async def refresh(self) -> None:
        """Add everything up again."""
        balance = await self._visitor.read(trial_balance.trial_balance)
        self._balance.clear()
        with self._balance:
            self._show(balance)

    def _show(self, balance: View) -> None:
        visitor = self._visitor
        word, tone = ("BALANCED", "green") if balance["balanced"] else ("UNBALANCED", "red")
        badge(visitor, "ledger", word, tone)
        totals = {side: sum(one[side] for one in balance["accounts"]) for side in _SIDES}
        with tag("table", classes="sum"):
            with tag("thead"), tag("tr"):
                tag("th", visitor.t("postings.account")).props('scope="col"')
                for side in (*_SIDES, "net"):
                    heading = tag("th", visitor.t(f"postings.{side}"), classes="right")
                    heading.props('scope="col"')
            with tag("tbody"):
                for account in balance["accounts"]:
                    self._account(account)
            with tag("tfoot"), tag("tr", classes="sum-total"):
                tag("th", visitor.t("ledger.total")).props('scope="row"')
                for fen in (*totals.values(), totals["debit"] - totals["credit"]):
                    with tag("td", classes="right"):
                        money(fen)

    def _account(self, account: View) -> None:
        is_used = account["debit"] or account["credit"]
        with tag("tr", classes="" if is_used else "muted"):
            with tag("td"):
                tag("span", account["code"], classes="number muted")
                tag("span", self._visitor.said("account", account["name"]))
            for fen in (account["debit"], account["credit"], account["debit"] - account["credit"]):
                with tag("td", classes="right"):
                    money(fen)

    def _ask(self) -> None:
        label = self._visitor.t("column.order")
        with tag("div", classes="filters"):
            box = ui.input(label).props("outlined dense clearable").classes("wide")

        async def look() -> None:
            number = formats.typed(box.value)
            found = await self._visitor.read(lambda session: trial_balance.entries(session, number))
            self._entries.clear()
            with self._entries:
                postings(self._visitor, found)

        box.on("keydown.enter", look)


_SIDES = ("debit", "credit")
