"""A stretch of days in China, and whose: for statements and statistics."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial

from nicegui import ui

from api.console import formats
from api.console.visitor import Visitor, now
from api.console.widgets.basic import button, tag
from db import worklists
from domain.days import day_of

DAYS = (7, 30, 90)
DAYS_AT_FIRST = 30

Changed = Callable[[], Awaitable[None]]


class PeriodBar:
    """`since` and `until` are days, the last included; `merchant_id` may be empty for all."""

    def __init__(self, visitor: Visitor, query: Mapping[str, str], changed: Changed) -> None:
        self._visitor = visitor
        self._changed = changed
        today = day_of(now())
        self.since = formats.day(query.get("since", "")) or today - timedelta(
            days=DAYS_AT_FIRST - 1
        )
        self.until = formats.day(query.get("until", "")) or today
        self.merchant_id = visitor.principal.scope(query.get("merchant_id", ""))
        self._row = tag("div", classes="filters")

    async def draw(self, *, every_merchant: bool) -> None:
        """Show the fields; `every_merchant`: whether all together can be chosen."""
        t = self._visitor.t
        with self._row:
            if self._visitor.principal.role != "merchant":
                await self._merchants(every_merchant)
            for name in ("since", "until"):
                box = ui.input(t(f"filter.{name}"), value=str(getattr(self, name)))
                box.props('outlined dense type="date" stack-label').classes("date")
                box.on("change", lambda box=box, name=name: self._take(name, box.value))
            for days in DAYS:
                button(t("period.days", days=days), partial(self._last, days), "preset")

    async def _merchants(self, every_merchant: bool) -> None:
        known = await self._visitor.read(worklists.merchants)
        every = {"": self._visitor.t("filter.every_merchant")} if every_merchant else {}
        options = every | {number: f"{number} {name}".strip() for number, name in known.items()}
        if self.merchant_id not in options:
            self.merchant_id = next(iter(options), "")
        label = self._visitor.t("column.merchant")
        box = ui.select(options, value=self.merchant_id if options else None, label=label)
        box.props("outlined dense options-dense").classes("choice")
        box.props["aria-label"] = label

        async def take() -> None:
            self.merchant_id = box.value or ""
            await self._changed()

        box.on_value_change(take)

    async def _take(self, name: str, text: str) -> None:
        day = formats.day(text or "")
        if day is not None and day != getattr(self, name):
            setattr(self, name, day)
            await self._changed()

    async def _last(self, days: int) -> None:
        query = f"since={day_of(now()) - timedelta(days=days - 1)}&until={day_of(now())}"
        path = ui.context.client.page.path
        ui.navigate.to(f"{path}?merchant_id={self.merchant_id}&{query}")
