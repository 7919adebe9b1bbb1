"""The audit trail: refusals, reads of personal data, who signed in."""

from typing import Annotated

from fastapi import Depends
from nicegui import ui

from api.console import formats
from api.console.frame import frame
from api.console.menu import AUDIT
from api.console.visitor import Entrance, Visitor
from api.console.widgets.basic import badge, moment, secondary, tag
from api.console.widgets.grid import Column, Grid
from db import audit
from db.audit import PAGE, Wanted
from db.views import View

TONES = {"refused": "red", "failed": "red", "read": "violet", "done": "green"}


@ui.page(AUDIT.path)
async def audit_page(visitor: Annotated[Visitor, Depends(Entrance(AUDIT))]) -> None:
    """The audit trail."""
    with frame(visitor, AUDIT):
        await Audit(visitor).show()


class Audit:
    """The open page."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._befores = [0]
        self._actor = ""
        self._last = 0
        self._filters()
        with tag("section", classes="card flush"):
            self._grid = self._make_grid()
        with tag("div", classes="pager"):
            self._back = secondary(visitor.t("pager.back"), self._go_back)
            self._on = secondary(visitor.t("pager.on"), self._go_on)

    async def show(self) -> None:
        """Show one page of it."""
        wanted = Wanted(self._actor, self._befores[-1], PAGE + 1)
        found = await self._visitor.read(lambda session: audit.entries(session, wanted))
        shown = found[:PAGE]
        self._last = shown[-1]["id"] if shown else 0
        self._grid.show(shown)
        self._back.set_enabled(len(self._befores) > 1)
        self._on.set_enabled(len(found) > PAGE)

    def _filters(self) -> None:
        with tag("div", classes="filters"):
            label = self._visitor.t("audit.actor")
            box = ui.input(label).props("outlined dense clearable")

        async def look() -> None:
            self._actor, self._befores = formats.typed(box.value), [0]
            await self.show()

        for event in ("keydown.enter", "blur", "clear"):
            box.on(event, look)

    def _make_grid(self) -> Grid:
        visitor, t = self._visitor, self._visitor.t
        columns = [
            Column(t("audit.at"), lambda line: moment(visitor, line["at"])),
            Column(t("audit.who"), lambda line: _who(visitor, line)),
            Column(
                t("audit.action"), lambda line: tag("span", visitor.said("action", line["action"]))
            ),
            Column(
                t("audit.outcome"),
                lambda line: badge(
                    visitor, "outcome", line["outcome"], TONES.get(line["outcome"], "grey")
                ),
            ),
            Column(t("audit.subject"), lambda line: tag("span", line["subject"], classes="number")),
            Column(t("audit.address"), lambda line: tag("span", line["address"], classes="muted")),
        ]
        return Grid(columns, "id", t("page.audit"))

    async def _go_on(self) -> None:
        self._befores.append(self._last)
        await self.show()

    async def _go_back(self) -> None:
        self._befores.pop()
        await self.show()


def _who(visitor: Visitor, line: View) -> None:
    tag("span", line["actor"])
    if line["role"]:
        tag("div", visitor.said("role", line["role"]), classes="muted small")
