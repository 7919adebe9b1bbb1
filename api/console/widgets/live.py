"""What keeps an open page true: countdowns by the second, the rest when something happened."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from sqlalchemy.exc import DBAPIError

from api.console import formats
from api.console.office import Mark
from api.console.visitor import Visitor, now
from api.console.widgets.basic import tag
from db.views import View

TICK_S = 1.0
SESSION_LOOKED_AT_EVERY = 15
"""Ticks."""

Refresh = Callable[[], Awaitable[None]]


class Live:
    """The clock of one page."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._countdowns: list[tuple[TextElement, View]] = []
        self._refresh: Refresh | None = None
        self._mark: Mark | None = None
        self._ticks = 0
        self._away = tag("div", visitor.t("frame.away"), classes="away").props("role=alert")
        self._away.set_visibility(False)
        ui.timer(TICK_S, self._tick)

    def countdown(self, view: View) -> TextElement:
        """What is left until the deadline of an order or a case."""
        label = tag("span", classes="countdown")
        deadline = formats.instant(view["deadline_at"])
        label.props["title"] = formats.when_in_full(self._visitor, view["deadline_at"])
        if deadline is None:
            label.set_text("–")
            return label
        self._count(label, view, deadline, now())
        self._countdowns.append((label, view))
        return label

    async def follow(self, refresh: Refresh) -> None:
        """Show the page now, and again whenever something happened."""
        self._refresh = refresh
        self._mark = await self._visitor.office.feed.mark()
        await refresh()

    async def _tick(self) -> None:
        self._ticks += 1
        at = now()
        self._countdowns = [one for one in self._countdowns if not one[0].is_deleted]
        for label, view in self._countdowns:
            deadline = formats.instant(view["deadline_at"])
            if deadline is not None:
                self._count(label, view, deadline, at)
        try:
            await self._look()
        except DBAPIError:
            self._away.set_visibility(True)

    async def _look(self) -> None:
        mark = await self._visitor.office.feed.mark()
        self._away.set_visibility(False)
        is_news = mark != self._mark
        is_due = is_news or self._ticks % SESSION_LOOKED_AT_EVERY == 0
        if is_due and not await self._visitor.is_still_in():
            ui.navigate.to("/sign-in")
        elif is_news and self._refresh is not None:
            self._mark = mark
            await self._refresh()

    def _count(self, label: TextElement, view: View, deadline: datetime, at: datetime) -> None:
        text = formats.countdown(self._visitor, deadline, at)
        if text != label.text:
            label.set_text(text)
            label.classes(replace=f"countdown is-{formats.urgency(view, at)}")
