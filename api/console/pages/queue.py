"""The work queue: what waits for the visitor, the most urgent first."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from nicegui import ui
from nicegui.events import KeyEventArguments
from sqlmodel import Session

from api.console import decide, formats
from api.console.frame import frame
from api.console.menu import QUEUE
from api.console.visitor import Entrance, Visitor, now
from api.console.widgets.basic import card, empty, link, tag
from api.console.widgets.case_grid import case_grid
from api.console.widgets.incidents import incident_list
from api.console.widgets.keys import pressed
from api.console.widgets.live import Live
from api.console.widgets.refund_list import refund_list
from db import work_queue
from db.views import View
from domain.after_sale import CaseState

DESKS = {
    "merchant": (CaseState.PENDING_MERCHANT, CaseState.AWAITING_RECEIPT),
    "platform": (CaseState.PENDING_PLATFORM,),
    "finance": (),
}
EVERY_DESK = (
    CaseState.PENDING_MERCHANT,
    CaseState.AWAITING_RECEIPT,
    CaseState.PENDING_PLATFORM,
)
"""Refunds that are stuck have a list of their own."""
KEYS = ("j", "k", "o", "a", "r", "n")


@dataclass
class Waiting:
    """Everything that waits."""

    cases: list[View] = field(default_factory=list)
    refunds: list[View] = field(default_factory=list)
    incidents: list[View] = field(default_factory=list)
    days: list[View] = field(default_factory=list)


@ui.page(QUEUE.path)
async def queue_page(visitor: Annotated[Visitor, Depends(Entrance(QUEUE))]) -> None:
    """What waits for the visitor."""
    with frame(visitor, QUEUE):
        await Queue(visitor).open()


class Queue:
    """The open page."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._waiting = Waiting()
        self._picked = 0
        self._live = Live(visitor)
        self._tiles = tag("div", classes="tiles")
        self._desks = DESKS.get(visitor.principal.role, EVERY_DESK)
        cases = card(visitor.t("queue.cases"))
        cases.set_visibility(bool(self._desks))
        with cases:
            self._keys_line()
            self._grid = case_grid(visitor, self._live, self.refresh)
            self._nothing = tag("p", visitor.t("queue.nothing"), classes="empty")
        self._troubles = tag("div", classes="stack")
        ui.keyboard(on_key=self._on_key, repeating=False)

    async def open(self) -> None:
        """Show it, and keep it true."""
        await self._live.follow(self.refresh)

    async def refresh(self) -> None:
        """Look again."""
        self._waiting = await self._visitor.read(
            lambda session: _look(session, self._visitor, self._desks)
        )
        self._show_tiles()
        self._grid.show(self._waiting.cases)
        self._nothing.set_visibility(not self._waiting.cases)
        self._show_troubles()
        self._pick(self._picked)

    def _keys_line(self) -> None:
        with tag("p", classes="keys-line"):
            for key in KEYS:
                tag("kbd", key)
                tag("span", self._visitor.t(f"keys.{key}"))

    def _show_tiles(self) -> None:
        waiting, t = self._waiting, self._visitor.t
        at = now()
        levels = Counter(formats.urgency(case, at) for case in waiting.cases)
        breached = sum(case["breached_at"] is not None for case in waiting.cases)
        unclear = sum(one["state"] in ("UNKNOWN", "SUBMITTING") for one in waiting.refunds)
        tiles: list[tuple[str, int, str, str]] = []
        if self._desks:
            tiles += [
                ("waiting", len(waiting.cases), "", "/cases"),
                ("late", levels["late"], "red", "/cases?due=overdue"),
                ("alarm", levels["alarm"], "amber", "/cases?due=alarmed"),
                ("breached", breached, "red", "/cases?due=breached"),
            ]
        if self._visitor.may("refunds.desk"):
            stuck = len(waiting.refunds) - unclear
            tiles += [
                ("unknown", unclear, "amber", "/refunds"),
                ("stuck", stuck, "red", "/refunds"),
                ("incidents", len(waiting.incidents), "red", "/#incidents"),
            ]
        if self._visitor.may("reconciliations.read"):
            tiles.append(("days", len(waiting.days), "red", "/reconciliation"))
        self._tiles.clear()
        with self._tiles:
            for key, count, tone, path in tiles:
                _tile(t(f"tile.{key}"), count, tone, path)

    def _show_troubles(self) -> None:
        visitor, waiting = self._visitor, self._waiting
        self._troubles.clear()
        if not visitor.may("refunds.desk"):
            return
        with self._troubles:
            with card(visitor.t("queue.refunds")):
                refund_list(visitor, waiting.refunds, self.refresh)
                if not waiting.refunds:
                    empty(visitor.t("queue.no_refunds"))
            with card(visitor.t("queue.incidents")).props('id="incidents"'):
                incident_list(visitor, waiting.incidents, self.refresh)
                if not waiting.incidents:
                    empty(visitor.t("queue.no_incidents"))

    def _pick(self, index: int) -> None:
        cases = self._waiting.cases
        self._picked = max(0, min(index, len(cases) - 1))
        self._grid.pick(cases[self._picked]["case_no"] if cases else "")

    async def _on_key(self, event: KeyEventArguments) -> None:
        name = pressed(event)
        if name in ("j", "n", "ArrowDown"):
            self._pick(self._picked + 1)
        elif name in ("k", "ArrowUp"):
            self._pick(self._picked - 1)
        elif name and self._waiting.cases:
            await self._act(name, self._waiting.cases[self._picked])

    async def _act(self, name: str, case: View) -> None:
        if name in ("o", "Enter"):
            ui.navigate.to(f"/cases/{case['case_no']}")
        elif name in ("a", "r"):
            await decide.ask(self._visitor, case, name == "a", self.refresh)


def _look(session: Session, visitor: Visitor, desks: tuple[CaseState, ...]) -> Waiting:
    waiting = Waiting()
    if desks:
        waiting.cases = work_queue.at_desks(session, desks, visitor.principal.scope(""))
    if visitor.may("refunds.desk"):
        waiting.refunds = work_queue.troubled_refunds(session, now())
        waiting.incidents = work_queue.open_incidents(session)
    if visitor.may("reconciliations.read"):
        waiting.days = work_queue.unsettled_days(session)
    return waiting


def _tile(label: str, count: int, tone: str, path: str) -> None:
    classes = f"tile tone-{tone}" if tone and count else "tile"
    with link("", path).classes(classes):
        tag("span", str(count), classes="tile-count")
        tag("span", label, classes="tile-label")
