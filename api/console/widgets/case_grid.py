"""Cases as rows: where each lies, until when, what it comes to, and what can be done."""

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from api.console import decide
from api.console.visitor import Visitor
from api.console.widgets.basic import badge, button, merchant, moment, money, number_link, tag
from api.console.widgets.grid import Column, Grid
from api.console.widgets.live import Live
from db.views import View
from domain.allocation import Party


def case_grid(
    visitor: Visitor,
    live: Live,
    refresh: Callable[[], Awaitable[None]],
    chosen: set[str] | None = None,
    on_choice: Callable[[], None] = lambda: None,
) -> Grid:
    """An empty grid of cases; with `chosen`, rows can be ticked."""
    t = visitor.t
    columns = [
        Column(t("column.deadline"), live.countdown),
        Column(t("column.case"), lambda case: _number(visitor, case)),
        Column(t("column.state"), lambda case: _state(visitor, case)),
        Column(t("column.reason"), lambda case: _reason(visitor, case)),
        Column(t("column.merchant"), merchant),
        Column(t("column.refund"), lambda case: money(case["amounts"]["refund_fee"]), "right"),
        Column(t("column.updated"), lambda case: moment(visitor, case["updated_at"])),
        Column("", lambda case: _actions(visitor, case, refresh), "right"),
    ]
    if chosen is not None:
        ticks = chosen
        columns.insert(
            0, Column("", lambda case: _tick(visitor, case, ticks, on_choice), "tick-cell")
        )
    return Grid(columns, "case_no", t("grid.cases"))


def _number(visitor: Visitor, case: View) -> None:
    number_link(case["case_no"], f"/cases/{case['case_no']}")
    tag("div", case["out_trade_no"], classes="muted small")


def _state(visitor: Visitor, case: View) -> None:
    badge(visitor, "case_state", case["state"])
    if case["breached_at"]:
        badge(visitor, "flag", "BREACHED", "red")
    tag("div", visitor.said("case_type", case["type"]), classes="muted small")


def _reason(visitor: Visitor, case: View) -> None:
    origin = case["origin"]
    if origin == "BUYER":
        tag("div", visitor.said("reason_code", case["reason_code"]))
    else:
        tag("div", visitor.said("origin", origin))
    tone = "violet" if case["responsibility"] == Party.MERCHANT else "grey"
    badge(visitor, "responsibility", case["responsibility"], tone)


def _actions(visitor: Visitor, case: View, refresh: Callable[[], Awaitable[None]]) -> None:
    stage = decide.stage_for(visitor, case)
    if stage is None:
        return
    with tag("div", classes="row-actions"):
        for approve in (True, False):
            word = "approve" if approve else "reject"
            label = visitor.t(f"decide.{word}_short.{stage}")
            act = partial(decide.ask, visitor, case, approve, refresh)
            look = "primary" if approve else "danger"
            button(label, act, look, about=case["case_no"]).props("dense")


def _tick(visitor: Visitor, case: View, chosen: set[str], on_choice: Callable[[], None]) -> None:
    if decide.stage_for(visitor, case) is None:
        return
    number = case["case_no"]

    def changed(ticked: bool) -> None:
        (chosen.add if ticked else chosen.discard)(number)
        on_choice()

    box = ui.checkbox(value=number in chosen, on_change=lambda event: changed(event.value))
    box.props("dense")
    box.props["aria-label"] = visitor.t("bulk.choose", case_no=number)
