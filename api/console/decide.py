"""The decisions on cases: who may make which, and the dialogs that show their effect first."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from nicegui import ui

from api.console import formats, sending
from api.console.sending import Outcome
from api.console.visitor import Visitor, now
from api.console.widgets.amounts import breakdown
from api.console.widgets.basic import tag
from api.console.widgets.dialog import OPEN, Dialog
from db import effects
from db.views import View
from domain.after_sale import DESKS, CaseState, Stage
from domain.allocation import Party

ACTIONS = {
    Stage.MERCHANT: "after_sales.merchant_review",
    Stage.RECEIPT: "after_sales.receipt",
    Stage.PLATFORM: "after_sales.platform_review",
}
STAGES = {state: stage for stage, state in DESKS.items()}
PRESETS = 3
EXTENSIONS_HOURS = (12, 24, 48, 72)


def stage_for(visitor: Visitor, case: View) -> Stage | None:
    """The desk at which the visitor may decide this case now."""
    stage = STAGES.get(CaseState(case["state"]))
    return stage if stage is not None and visitor.may(ACTIONS[stage]) else None


async def ask(visitor: Visitor, case: View, approve: bool, done: Callable[[], Any]) -> None:
    """Open the dialog that decides a case where it lies; nothing happens at another's desk."""
    stage = stage_for(visitor, case)
    client = ui.context.client
    if stage is None or client.storage.get(OPEN):
        return
    client.storage[OPEN] = True
    with client.content:
        if stage is Stage.RECEIPT and approve:
            await _ask_receipt(visitor, case, done)
        elif approve:
            await _ask_approval(visitor, case, stage, done)
        else:
            _ask_rejection(visitor, case, stage, done)


async def send(
    visitor: Visitor, case: View, stage: Stage, approve: bool, key: str, **said: Any
) -> Outcome:
    """Send one decision."""
    sender, case_no = sending.as_visitor(visitor), case["case_no"]
    if stage is Stage.RECEIPT:
        decision = "received" if approve else "refused"
        return await sender.receipt(case_no, key, decision=decision, **said)
    decision = "approve" if approve else "reject"
    if stage is Stage.MERCHANT:
        return await sender.merchant_review(case_no, key, decision=decision, **said)
    return await sender.platform_review(case_no, key, decision=decision, **said)


async def _ask_approval(
    visitor: Visitor, case: View, stage: Stage, done: Callable[[], Any]
) -> None:
    case_no = case["case_no"]
    effect = await visitor.read(lambda session: effects.of_case(session, case_no))
    title = visitor.t(f"decide.approve.{stage}", case_no=case_no)
    dialog = Dialog(visitor, title, visitor.t(f"decide.approve_button.{stage}"))
    with dialog.body:
        _effect(visitor, case, effect, stage)
    reason = dialog.reason(visitor.t("decide.note"), required=False)
    dialog.open(
        lambda key: send(visitor, case, stage, True, key, reason=formats.typed(reason.value)),
        done,
    )


async def _ask_receipt(visitor: Visitor, case: View, done: Callable[[], Any]) -> None:
    case_no = case["case_no"]
    dialog = Dialog(
        visitor,
        visitor.t("decide.approve.receipt", case_no=case_no),
        visitor.t("decide.approve_button.receipt"),
    )
    with dialog.body:
        tag("p", visitor.t("decide.who_is_responsible"), classes="dialog-question")
        choices = {party: visitor.said("responsibility", party) for party in Party}
        claimed = Party(case["responsibility"])
        choice = ui.radio(choices, value=claimed).props("inline")
        choice.props["aria-label"] = visitor.t("decide.who_is_responsible")
        shown = tag("div")

    async def show() -> None:
        party = choice.value
        effect = await visitor.read(lambda session: effects.of_case(session, case_no, party))
        shown.clear()
        with shown:
            _effect(visitor, case, effect, Stage.RECEIPT)

    choice.on_value_change(show)
    await show()
    reason = dialog.reason(visitor.t("decide.note"), required=False)
    dialog.open(
        lambda key: send(
            visitor,
            case,
            Stage.RECEIPT,
            True,
            key,
            responsibility=choice.value,
            reason=formats.typed(reason.value),
        ),
        done,
    )


def _ask_rejection(visitor: Visitor, case: View, stage: Stage, done: Callable[[], Any]) -> None:
    dialog = Dialog(
        visitor,
        visitor.t(f"decide.reject.{stage}", case_no=case["case_no"]),
        visitor.t(f"decide.reject_button.{stage}"),
        is_dangerous=True,
    )
    with dialog.body:
        tag("p", visitor.t(f"decide.after_rejection.{stage}"), classes="consequence")
    presets = tuple(visitor.t(f"preset.{stage}.{number}") for number in range(1, PRESETS + 1))
    reason = dialog.reason(visitor.t("decide.reason"), required=True, presets=presets)
    dialog.open(
        lambda key: send(visitor, case, stage, False, key, reason=formats.typed(reason.value)),
        done,
    )


def _effect(visitor: Visitor, case: View, effect: View, stage: Stage) -> None:
    breakdown(visitor, effect["amounts"])
    next_step = f"{stage}.{case['type']}" if stage is Stage.MERCHANT else str(stage)
    amount = formats.money(effect["amounts"]["refund_fee"])
    with tag("ul", classes="consequences"):
        tag("li", visitor.t(f"decide.next.{next_step}", amount=amount))
        tag("li", _fee(visitor, effect))
        if stage is not Stage.MERCHANT and not case["amounts_final"]:
            tag("li", visitor.t("decide.estimate"))


def _fee(visitor: Visitor, effect: View) -> str:
    return visitor.t(
        f"decide.fee.{effect['fee_policy']}",
        fee=formats.money(effect["fee"]),
        back=formats.money(effect["fee_returned"]),
    )


def ask_extension(visitor: Visitor, case: View, done: Callable[[], Any]) -> None:
    """Open the dialog that gives the desk more time."""
    dialog = Dialog(visitor, visitor.t("extend.title"), visitor.t("extend.button"))
    with dialog.body:
        tag("p", visitor.t("extend.by"), classes="dialog-question")
        hours = ui.radio(
            {hours: visitor.t("extend.hours", hours=hours) for hours in EXTENSIONS_HOURS},
            value=EXTENSIONS_HOURS[1],
        ).props("inline")
        hours.props["aria-label"] = visitor.t("extend.by")
    reason = dialog.reason(visitor.t("decide.reason"), required=True)

    async def extend(key: str) -> Outcome:
        deadline = formats.instant(case["deadline_at"]) or now()
        until = max(deadline, now()) + timedelta(hours=hours.value)
        return await sending.as_visitor(visitor).extend(
            case["case_no"], key, until=until, reason=formats.typed(reason.value)
        )

    dialog.open(extend, done)


def confirm(
    visitor: Visitor,
    title: str,
    about: str,
    command: Callable[[str], Any],
    done: Callable[[], Any],
) -> None:
    """Open a dialog that asks nothing but whether."""
    dialog = Dialog(visitor, title, visitor.t("dialog.confirm"))
    with dialog.body:
        tag("p", about, classes="consequence")
    dialog.open(command, done)
