"""One case: the sum made visible, what came back, what happened, and what can be done."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from nicegui import ui
from nicegui.events import KeyEventArguments
from sqlmodel import Session
from starlette.responses import Response

from api.console import decide, desk, door, sending
from api.console.frame import frame
from api.console.menu import CASE
from api.console.visitor import Entrance, Visitor
from api.console.widgets import facts
from api.console.widgets.amounts import breakdown
from api.console.widgets.basic import (
    badge,
    button,
    card,
    empty,
    money,
    number_link,
    primary,
    secondary,
    tag,
)
from api.console.widgets.evidence import gallery
from api.console.widgets.keys import pressed
from api.console.widgets.live import Live
from api.console.widgets.postings import postings
from api.console.widgets.refund_list import refund_actions
from api.console.widgets.timeline import timeline
from db import trial_balance, views, work_queue
from db.views import View

WITHDRAWABLE = frozenset({"PENDING_MERCHANT", "AWAITING_RETURN", "PENDING_PLATFORM"})


@dataclass
class Seen:
    """A case as it stands, with the attempts of its refunds and its postings."""

    case: View
    refunds: list[View]
    postings: list[View]


@ui.page(CASE.path)
async def case_page(
    case_no: str, visitor: Annotated[Visitor, Depends(Entrance(CASE))], request: Request
) -> Response | None:
    """One case."""
    path = f"/cases/{case_no}"
    seen = await visitor.find(lambda session: _look(session, visitor, case_no), path)
    if seen is None:
        return door.message(request, "refused.missing", 404)
    with frame(visitor, CASE, visitor.t("case.title", case_no=case_no)):
        await CaseView(visitor, seen).open()
    return None


class CaseView:
    """The open page."""

    def __init__(self, visitor: Visitor, seen: Seen) -> None:
        self._visitor = visitor
        self._case_no: str = seen.case["case_no"]
        self._shown: Seen | None = None
        self._live = Live(visitor)
        self._head = tag("div", classes="case-head")
        with tag("div", classes="halves"):
            self._left = tag("div", classes="stack")
            self._right = tag("div", classes="stack")
        ui.keyboard(on_key=self._on_key, repeating=False)

    async def open(self) -> None:
        """Show it, and keep it true."""
        await self._live.follow(self.refresh)

    async def refresh(self) -> None:
        """Look again; what did not change is not drawn anew."""
        seen = await self._visitor.read(
            lambda session: _look(session, self._visitor, self._case_no)
        )
        if seen == self._shown:
            return
        self._shown = seen
        for part in (self._head, self._left, self._right):
            part.clear()
        with self._head:
            self._show_head(seen.case)
        with self._left:
            self._show_money(seen)
        with self._right:
            self._show_story(seen)

    def _show_head(self, case: View) -> None:
        visitor = self._visitor
        with tag("div", classes="case-state"):
            badge(visitor, "case_state", case["state"])
            if case["breached_at"]:
                badge(visitor, "flag", "BREACHED", "red")
            self._live.countdown(case)
            tag("span", visitor.said("who_acts", case["state"]), classes="muted")
        with tag("div", classes="case-actions"):
            self._actions(case)

    def _actions(self, case: View) -> None:
        visitor, t = self._visitor, self._visitor.t
        stage = decide.stage_for(visitor, case)
        if stage is not None:
            primary(
                t(f"decide.approve_short.{stage}"),
                lambda: decide.ask(visitor, case, True, self.refresh),
            )
            button(
                t(f"decide.reject_short.{stage}"),
                lambda: decide.ask(visitor, case, False, self.refresh),
                "danger",
            )
        if visitor.may("after_sales.extend") and case["deadline_at"]:
            secondary(t("extend.button"), lambda: decide.ask_extension(visitor, case, self.refresh))
        if visitor.may("after_sales.withdraw") and case["state"] in WITHDRAWABLE:
            secondary(t("withdraw.button"), lambda: self._ask_withdrawal(case))
        is_sandbox = visitor.context.settings.sandbox and visitor.may("deadlines.expire")
        if is_sandbox and case["deadline_at"]:
            secondary(t("sandbox.expire"), lambda: self._ask_expiry(case))

    def _ask_withdrawal(self, case: View) -> None:
        sender = sending.as_visitor(self._visitor)
        decide.confirm(
            self._visitor,
            self._visitor.t("withdraw.button"),
            self._visitor.t("withdraw.about"),
            lambda key: sender.withdraw(case["case_no"], key),
            self.refresh,
        )

    def _ask_expiry(self, case: View) -> None:
        sender = sending.as_visitor(self._visitor)
        decide.confirm(
            self._visitor,
            self._visitor.t("sandbox.expire"),
            self._visitor.said("clock", case["state"]),
            lambda key: sender.expire_case(case["case_no"], key),
            self.refresh,
        )

    def _show_money(self, seen: Seen) -> None:
        visitor, case = self._visitor, seen.case
        with card(visitor.t("case.sum")):
            breakdown(visitor, case["amounts"])
            if not case["amounts_final"]:
                tag("p", visitor.t("case.estimate"), classes="muted small")
        with card(visitor.t("case.facts")):
            facts.of_case(visitor, case)
            gallery(visitor, case["evidence"])
        with card(visitor.t("case.refunds")):
            for refund in seen.refunds:
                self._show_refund(refund)
            if not seen.refunds:
                empty(visitor.t("case.no_refunds"))
        if visitor.may("ledger.read"):
            with card(visitor.t("case.postings")):
                postings(visitor, seen.postings)

    def _show_refund(self, refund: View) -> None:
        visitor = self._visitor
        with tag("div", classes="refund"):
            with tag("div", classes="line"):
                badge(visitor, "refund_state", refund["state"])
                with tag("div", classes="line-body"):
                    tag("span", refund["out_refund_no"], classes="number")
                    if proposal := refund.get("proposal"):
                        tag("span", desk.proposed(visitor, proposal), classes="proposal")
                money(refund["refund_fee"])
            facts.of_refund(visitor, refund)
            if visitor.may("refunds.desk"):
                refund_actions(visitor, refund, self.refresh)
            facts.attempts(visitor, refund["attempts"])

    def _show_story(self, seen: Seen) -> None:
        visitor = self._visitor
        with card(visitor.t("case.timeline")):
            timeline(visitor, seen.case["timeline"])
            facts.run_link(visitor, f"after-sale-{self._case_no}")
        with card(visitor.t("case.order")):
            number = seen.case["out_trade_no"]
            number_link(number, f"/orders/{number}")

    async def _on_key(self, event: KeyEventArguments) -> None:
        name = pressed(event)
        if name in ("a", "r") and self._shown is not None:
            await decide.ask(self._visitor, self._shown.case, name == "a", self.refresh)


def _look(session: Session, visitor: Visitor, case_no: str) -> Seen:
    case = views.case(session, case_no)
    visitor.principal.check_sees(case)
    refunds = [views.refund(session, one["out_refund_no"]) for one in case["refunds"]]
    entries = []
    if visitor.may("ledger.read"):
        entries = trial_balance.entries(session, case["out_trade_no"])
        numbers = {case_no, *(one["out_refund_no"] for one in refunds)}
        entries = [entry for entry in entries if entry["cause"] in numbers]
    return Seen(case, work_queue.with_proposals(session, refunds), entries)
