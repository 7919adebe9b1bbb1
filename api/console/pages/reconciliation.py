"""Each day against WeChat Pay's bill: what agrees, what differs, and running it again."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request
from nicegui import ui
from sqlmodel import Session

from api.console import decide, formats, sending
from api.console.frame import frame
from api.console.menu import RECONCILIATION
from api.console.visitor import Entrance, Visitor, now
from api.console.widgets.basic import (
    badge,
    card,
    empty,
    link,
    moment,
    money,
    number_link,
    primary,
    tag,
)
from api.console.widgets.live import Live
from db import reconciliations, work_queue
from db.views import View
from domain.days import day_of
from domain.refusals import Refused

COUNTS = (
    "payments_billed",
    "payments_here",
    "refunds_billed",
    "refunds_here",
    "fees_trued_up",
    "settled",
)


@ui.page(RECONCILIATION.path)
async def reconciliation_page(
    visitor: Annotated[Visitor, Depends(Entrance(RECONCILIATION))], request: Request
) -> None:
    """Days and their bills."""
    with frame(visitor, RECONCILIATION):
        day = request.query_params.get("day", "")
        await ReconciliationView(visitor, day or str(_latest(visitor))).open()


class ReconciliationView:
    """The open page."""

    def __init__(self, visitor: Visitor, day: str) -> None:
        self._visitor = visitor
        self._day = day
        self._shown: object = None
        self._live = Live(visitor)
        self._ask()
        with tag("div", classes="halves narrow-left"):
            self._days = card(visitor.t("reconciliation.days"))
            self._sheet = tag("div", classes="stack")

    async def open(self) -> None:
        """Show it, and keep it true."""
        await self._live.follow(self.refresh)

    async def refresh(self) -> None:
        """Look again."""
        days, one = await self._visitor.read(self._look)
        if (days, one) == self._shown:
            return
        self._shown = (days, one)
        self._show_days(days)
        self._sheet.clear()
        with self._sheet:
            if one is None:
                empty(self._visitor.t("reconciliation.none", day=self._day))
            else:
                self._show(one)

    def _look(self, session: Session) -> tuple[list[View], View | None]:
        days = work_queue.days(session)
        try:
            day = formats.day(self._day)
            return days, reconciliations.view(session, day) if day else None
        except Refused:
            return days, None

    def _ask(self) -> None:
        t = self._visitor.t
        with tag("div", classes="filters"):
            box = ui.input(t("reconciliation.day"), value=self._day)
            box.props('outlined dense type="date" stack-label').classes("date")
            box.on("change", lambda: ui.navigate.to(f"/reconciliation?day={box.value}"))
            if self._visitor.may("reconciliations.run"):
                primary(t("reconciliation.run"), self._ask_run)

    def _ask_run(self) -> None:
        sender, t = sending.as_visitor(self._visitor), self._visitor.t
        if formats.day(self._day) is None:
            return
        decide.confirm(
            self._visitor,
            t("reconciliation.run"),
            t("reconciliation.run_about", day=self._day),
            lambda key: sender.reconcile(self._day, key),
            self.refresh,
        )

    def _show_days(self, days: list[View]) -> None:
        self._days.clear()
        with self._days:
            tag("h2", self._visitor.t("reconciliation.days"), classes="card-title")
            if not days:
                empty(self._visitor.t("reconciliation.no_days"))
            with tag("ul", classes="lines"):
                for one in days:
                    with tag("li", classes="line"):
                        link(one["day"], f"/reconciliation?day={one['day']}").classes("number")
                        badge(self._visitor, "day_state", one["state"])

    def _show(self, one: View) -> None:
        visitor, t = self._visitor, self._visitor.t
        with card(t("reconciliation.of", day=one["day"])):
            badge(visitor, "day_state", one["state"])
            if one["problem"]:
                tag("p", one["problem"], classes="problem")
            with tag("dl", classes="facts"):
                for name in COUNTS:
                    tag("dt", t(f"count.{name}"))
                    tag("dd", str(one["counts"].get(name, 0)))
                tag("dt", t("fact.finished_at"))
                with tag("dd"):
                    moment(visitor, one["finished_at"])
        with card(t("reconciliation.differences")):
            if not one["differences"]:
                empty(t("reconciliation.agree"))
            with tag("ul", classes="lines"):
                for difference in one["differences"]:
                    with tag("li", classes="line"):
                        self._difference(difference)

    def _difference(self, one: View) -> None:
        visitor = self._visitor
        is_open = one["state"] == "OPEN"
        badge(visitor, "difference", one["kind"], "red" if is_open else "grey")
        with tag("div", classes="line-body"):
            number_link(one["number"], f"/orders/{one['out_trade_no']}")
            states = f"{one['our_state'] or '–'} / {one['their_state'] or '–'}"
            tag("span", f"{visitor.said('item', one['item'])} · {states}", classes="muted")
        with tag("div", classes="ours-theirs"):
            for side in ("our_fen", "their_fen"):
                tag("span", visitor.t(f"reconciliation.{side}"), classes="muted small")
                money(one[side])
        if not is_open:
            badge(visitor, "day_state", "SETTLED")


def _latest(visitor: Visitor) -> object:
    """The last day that has a bill: in the sandbox today, as the simulator makes it at once."""
    today = day_of(now())
    return today if visitor.context.settings.sandbox else today - timedelta(days=1)
