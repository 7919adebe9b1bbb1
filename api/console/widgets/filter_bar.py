"""Filters above a list; each change shows at once and is kept in the address."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from api.console import formats
from api.console.filters import Asked
from api.console.visitor import Visitor
from api.console.widgets.basic import button, tag

Changed = Callable[[], Awaitable[None]]


class FilterBar:
    """Changes `asked`, then calls `changed`."""

    def __init__(self, visitor: Visitor, asked: Asked, changed: Changed) -> None:
        self._visitor, self._asked, self._changed = visitor, asked, changed
        self.row = tag("div", classes="filters")

    def more(self, *names: str) -> None:
        """What follows is less often asked for: shown on demand, or when one of it is set."""
        end = self.row
        self.row = tag("div", classes="filters")
        is_set = any(getattr(self._asked, name) for name in names)
        self.row.set_visibility(is_set)
        row = self.row
        with end:
            button(
                self._visitor.t("filter.more"),
                lambda: row.set_visibility(not row.visible),
                "preset",
            )

    def text(self, name: str, label: str, classes: str = "", input_type: str = "text") -> None:
        """A field to type into; taken over on Enter or on leaving it."""
        with self.row:
            box = ui.input(label, value=getattr(self._asked, name)).classes(classes)
            box.props(f'outlined dense clearable type="{input_type}"')
            if input_type == "date":
                box.props("stack-label")

        async def take() -> None:
            value = formats.typed(box.value)
            if value != getattr(self._asked, name):
                setattr(self._asked, name, value)
                await self._changed()

        for event in ("keydown.enter", "blur", "clear"):
            box.on(event, take)

    def choice(self, name: str, label: str, options: dict[str, str]) -> None:
        """One of a few."""
        with self.row:
            every = {"": self._visitor.t("filter.all")} | options
            value = getattr(self._asked, name)
            box = ui.select(every, label=label, value=value if value in every else "")
            box.props("outlined dense options-dense").classes("choice")
            box.props["aria-label"] = label

        async def take() -> None:
            setattr(self._asked, name, box.value or "")
            await self._changed()

        box.on_value_change(take)
