"""Many cases decided at once: each by a command of its own, each with its own result."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from api.console import decide, formats
from api.console.sending import Outcome
from api.console.visitor import Visitor
from api.console.widgets.basic import button, number_link, primary, tag
from api.console.widgets.dialog import Dialog, explained
from db.views import View
from domain.after_sale import Stage

AT_ONCE = 4


class BulkBar:
    """What is ticked, and the two buttons for all of it."""

    def __init__(self, visitor: Visitor, refresh: Callable[[], Awaitable[None]]) -> None:
        self.chosen: set[str] = set()
        self._visitor = visitor
        self._refresh = refresh
        self._cases: dict[str, View] = {}
        self._bar = tag("div", classes="bulk-bar")
        with self._bar:
            self._text = tag("span")
            primary(visitor.t("bulk.approve"), lambda: self._ask(approve=True))
            button(visitor.t("bulk.reject"), lambda: self._ask(approve=False), "danger")
        self.show()

    def keep(self, cases: list[View]) -> None:
        """These are the cases that can be ticked; what is gone is not ticked any more."""
        self._cases = {
            case["case_no"]: case
            for case in cases
            if decide.stage_for(self._visitor, case) is not None
        }
        self.chosen.intersection_update(self._cases)
        self.show()

    def clear(self) -> None:
        """Nothing is ticked."""
        self.chosen.clear()
        self.show()

    def show(self) -> None:
        """How many are ticked."""
        self._bar.set_visibility(bool(self.chosen))
        self._text.set_text(self._visitor.t("bulk.chosen", count=len(self.chosen)))

    def _ask(self, approve: bool) -> None:
        cases = [self._cases[number] for number in sorted(self.chosen)]
        # Receiving goods asks who is responsible: a question for each case by itself.
        cases = [
            case
            for case in cases
            if not approve or decide.stage_for(self._visitor, case) is not Stage.RECEIPT
        ]
        word = "approve" if approve else "reject"
        t = self._visitor.t
        title = t(f"bulk.{word}_title", count=len(cases))
        dialog = Dialog(self._visitor, title, t(f"bulk.{word}"), is_dangerous=not approve)
        total = sum(case["amounts"]["refund_fee"] for case in cases)
        with dialog.body:
            about = t(f"bulk.{word}_about", count=len(cases), amount=formats.money(total))
            tag("p", about, classes="consequence")
        dialog.requires(lambda: bool(cases))
        reason = dialog.reason(
            t("decide.note" if approve else "decide.reason"), required=not approve
        )

        async def send(key: str) -> Outcome:
            said = formats.typed(reason.value)
            results = await _decide_all(self._visitor, cases, approve, key, said)
            _show_results(self._visitor, results)
            return Outcome({})

        dialog.open(send, self._finished)

    async def _finished(self) -> None:
        self.clear()
        await self._refresh()


async def _decide_all(
    visitor: Visitor, cases: list[View], approve: bool, key: str, reason: str
) -> list[tuple[View, Outcome]]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(case: View) -> tuple[View, Outcome]:
        stage = decide.stage_for(visitor, case)
        assert stage is not None
        async with gate:
            number = f"{key}-{case['case_no']}"
            outcome = await decide.send(visitor, case, stage, approve, number, reason=reason)
        return case, outcome

    return list(await asyncio.gather(*(one(case) for case in cases)))


def _show_results(visitor: Visitor, results: list[tuple[View, Outcome]]) -> None:
    good = sum(outcome.ok for _, outcome in results)
    title = visitor.t("bulk.result", good=good, count=len(results))
    with (
        ui.context.client.content,
        ui.dialog(value=True) as dialog,
        ui.card().classes("dialog"),
    ):
        dialog.props["aria-label"] = title
        tag("h2", title, classes="dialog-title")
        with tag("ul", classes="lines results"):
            for case, outcome in results:
                _result(visitor, case, outcome)
        with tag("div", classes="dialog-actions"):
            primary(visitor.t("dialog.close"), dialog.close)


def _result(visitor: Visitor, case: View, outcome: Outcome) -> None:
    with tag("li", classes="line"):
        icon, tone = ("check_circle", "good") if outcome.ok else ("error", "bad")
        ui.icon(icon).classes(f"result-{tone}").props("aria-hidden=true")
        with tag("div", classes="line-body"):
            number_link(case["case_no"], f"/cases/{case['case_no']}")
            if outcome.ok:
                said: Any = visitor.said("case_state", outcome.view["state"])
            else:
                said = explained(visitor, outcome)
            tag("span", said, classes="muted")
