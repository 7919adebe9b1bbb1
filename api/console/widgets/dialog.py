"""A dialog that sends one command: what it does, what it needs to know, and what came of it."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from nicegui import ui

from api.console import formats
from api.console.sending import Outcome
from api.console.visitor import Visitor
from api.console.widgets.basic import button, notify, tag
from domain.after_sale import REASON_MAX, REASON_MIN

OPEN = "dialog_open"
"""Where a client's storage says that keys are for a dialog, and not for the page below."""

AWAY = frozenset({"temporal_unavailable", "database_unavailable"})
"""Refusals that may turn out to have been taken: the same key makes sure it is done once."""

Send = Callable[[str], Awaitable[Outcome]]
Done = Callable[[], Any]


class Dialog:
    """Open, fill in, confirm; the same key however often the button is pressed."""

    def __init__(self, visitor: Visitor, title: str, confirm: str, *, is_dangerous: bool = False):
        self.visitor = visitor
        self._key = formats.fresh_key()
        self._checks: list[Callable[[], bool]] = []
        self._send: Send | None = None
        self._done: Done | None = None
        # Beside the page's content: the row whose button opened it may be drawn anew meanwhile.
        client = ui.context.client
        client.storage[OPEN] = True
        self._ground = client.content
        with (
            self._ground,
            ui.dialog().props("no-refocus") as self._dialog,
            ui.card().classes("dialog"),
        ):
            self._dialog.on("hide", self._hidden)
            self._dialog.props["aria-label"] = title
            tag("h2", title, classes="dialog-title")
            self.body = tag("div", classes="dialog-body")
            self._problem = tag("p", classes="problem").props("role=alert")
            self._problem.set_visibility(False)
            with tag("div", classes="dialog-actions"):
                button(visitor.t("dialog.cancel"), self._dialog.close, "quiet")
                look = "danger-solid" if is_dangerous else "primary"
                self._confirm = button(confirm, self._press, look)

    def reason(self, label: str, *, required: bool, presets: tuple[str, ...] = ()) -> ui.textarea:
        """A reason of 2 to 230 characters; one that is not required may be empty."""
        with self.body:
            area = ui.textarea(label).classes("reason")
            area.props(f"outlined autogrow counter maxlength={REASON_MAX}")
            area.props["aria-label"] = label
            if required:
                area.props["hint"] = self.visitor.t("dialog.reason_hint")
            area.on_value_change(self.check)
            if presets:
                with tag("div", classes="presets"):
                    for preset in presets:
                        button(preset, partial(area.set_value, preset), "preset")

        def is_good() -> bool:
            size = len(formats.typed(area.value))
            return (not required and size == 0) or REASON_MIN <= size <= REASON_MAX

        self._checks.append(is_good)
        return area

    def field(self, label: str, *, length_max: int = 64, value: str = "") -> ui.input:
        """A line of text that must not be empty."""
        with self.body:
            box = ui.input(label, value=value).classes("field")
            box.props(f"outlined dense maxlength={length_max}")
            box.on_value_change(self.check)
        self._checks.append(lambda: bool(formats.typed(box.value)))
        return box

    def requires(self, check: Callable[[], bool]) -> None:
        """The button stays grey while `check` fails."""
        self._checks.append(check)

    def open(self, send: Send, done: Done) -> None:
        """Show it; `send` gets the key of this dialog, `done` is called once it succeeded."""
        self._send, self._done = send, done
        self.check()
        self._dialog.open()

    def _hidden(self) -> None:
        ui.context.client.storage[OPEN] = False
        self._dialog.delete()

    def check(self) -> None:
        """Whether the button may be pressed now."""
        self._confirm.set_enabled(all(check() for check in self._checks))

    async def _press(self) -> None:
        with self._ground:
            await self._carry_out()

    async def _carry_out(self) -> None:
        assert self._send is not None and self._done is not None
        self._confirm.props("loading").disable()
        outcome = await self._send(self._key)
        self._confirm.props(remove="loading")
        if not outcome.ok:
            self._problem.set_text(explained(self.visitor, outcome))
            self._problem.set_visibility(True)
            if outcome.code not in AWAY:
                # What was refused may be tried as another command; what may have been taken, not.
                self._key = formats.fresh_key()
            self.check()
            return
        self._dialog.close()
        notify(self.visitor.t("dialog.done"), good=True)
        result = self._done()
        if isinstance(result, Awaitable):
            await result


def explained(visitor: Visitor, outcome: Outcome) -> str:
    """Why a command was refused, in words."""
    said = visitor.said("refusal", outcome.code)
    return f"{said} ({outcome.detail})" if outcome.detail else said
