"""A page at a time through a list that may be long: forward by cursor, and back the way."""

from collections.abc import Awaitable, Callable

from api.console.visitor import Visitor
from api.console.widgets.basic import secondary, tag


class Pager:
    """Knows the cursors of the pages before; calls `turned` when the reader turns the page."""

    def __init__(self, visitor: Visitor, turned: Callable[[], Awaitable[None]]) -> None:
        self._turned = turned
        self._visitor = visitor
        self._cursors = [""]
        self._next: str | None = None
        with tag("div", classes="pager"):
            self._back = secondary(visitor.t("pager.back"), self._go_back)
            self._where = tag("span", classes="muted")
            self._on = secondary(visitor.t("pager.on"), self._go_on)

    @property
    def cursor(self) -> str:
        """Where the page that is shown begins."""
        return self._cursors[-1]

    def first(self) -> None:
        """Begin again: the list is another one."""
        self._cursors = [""]

    def show(self, following: str | None) -> None:
        """This page is shown; `following` is the cursor to the next."""
        self._next = following
        self._back.set_enabled(len(self._cursors) > 1)
        self._on.set_enabled(following is not None)
        self._where.set_text(self._visitor.t("pager.page", page=len(self._cursors)))

    async def _go_on(self) -> None:
        if self._next is not None:
            self._cursors.append(self._next)
            await self._turned()

    async def _go_back(self) -> None:
        self._cursors.pop()
        await self._turned()
