"""States as tabs, each with how many there are."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from nicegui import ui

from api.console.visitor import Visitor
from api.console.widgets.basic import button, tag
from db.worklists import COUNTED_TO


class Tabs:
    """The chosen state is `chosen()`; `choose` is told of another."""

    def __init__(
        self,
        visitor: Visitor,
        kind: str,
        states: Sequence[str],
        chosen: Callable[[], str],
        choose: Callable[[str], Awaitable[None]],
    ) -> None:
        self._chosen = chosen
        self._buttons: dict[str, ui.button] = {}
        self._counts = {}
        with tag("div", classes="tabs").props('role="group"') as group:
            group.props["aria-label"] = visitor.t("filter.state")
            for state in ("", *states):
                words = visitor.said(kind, state) if state else visitor.t("filter.all")
                made = button("", partial(choose, state), "tab")
                with made:
                    tag("span", words)
                    if state:
                        self._counts[state] = tag("span", classes="tab-count")
                self._buttons[state] = made

    def show(self, counts: dict[str, int]) -> None:
        """These numbers, and the chosen tab marked."""
        for state, label in self._counts.items():
            count = counts.get(state, 0)
            label.set_text(f"{COUNTED_TO}+" if count > COUNTED_TO else str(count))
        for state, made in self._buttons.items():
            is_chosen = state == self._chosen()
            made.classes(replace="tab is-chosen" if is_chosen else "tab")
            made.props["aria-pressed"] = "true" if is_chosen else "false"
