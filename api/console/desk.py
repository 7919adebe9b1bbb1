"""The refund desk's commands: ask WeChat Pay, a new number, settle offline by two people."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from api.console import decide, formats, sending
from api.console.sending import Outcome
from api.console.visitor import Visitor
from api.console.widgets.basic import notify, tag
from api.console.widgets.dialog import Dialog, explained
from db.views import View

ASKABLE = frozenset({"SUBMITTING", "UNKNOWN", "PROCESSING", "ABNORMAL", "CLOSED", "MANUAL_SETTLED"})
SETTLEABLE = frozenset({"ABNORMAL", "CLOSED"})
REFERENCE_MAX = 64

Refresh = Callable[[], Awaitable[None]]


async def query(visitor: Visitor, refund: View, refresh: Refresh) -> None:
    """Ask WeChat Pay now, and say what it answered."""
    with ui.context.client.content:
        number = refund["out_refund_no"]
        outcome = await sending.as_visitor(visitor).query(number, formats.fresh_key())
        if outcome.ok:
            state = visitor.said("refund_state", outcome.view["state"])
            notify(visitor.t("refund.answered", state=state), good=True)
        else:
            notify(explained(visitor, outcome), good=False)
        await refresh()


def proposed(visitor: Visitor, proposal: View) -> str:
    """What one person has proposed, for another to confirm."""
    by = formats.actor(visitor, proposal["by"])
    return visitor.t("refund.proposed", by=by, reference=proposal["reference"])


def ask_again(visitor: Visitor, refund: View, refresh: Refresh) -> None:
    """A new number in place of a closed one: asked about once more before it is made."""
    sender = sending.as_visitor(visitor)
    number = refund["out_refund_no"]
    amount = formats.money(refund["refund_fee"])
    decide.confirm(
        visitor,
        visitor.t("refund.again"),
        visitor.t("refund.again_about", number=number, amount=amount),
        lambda key: sender.refund_again(refund["case_no"], key, out_refund_no=number),
        refresh,
    )


def ask_offline(visitor: Visitor, refund: View, refresh: Refresh) -> None:
    """One person proposes; another, by the same dialog, confirms."""
    proposal = refund.get("proposal")
    title = "refund.confirm_offline" if proposal else "refund.settle_offline"
    dialog = Dialog(visitor, visitor.t(title), visitor.t(title), is_dangerous=True)
    amount = formats.money(refund["refund_fee"])
    with dialog.body:
        about = "refund.offline_second" if proposal else "refund.offline_first"
        said = {"by": formats.actor(visitor, proposal["by"])} if proposal else {}
        tag("p", visitor.t(about, amount=amount, **said), classes="consequence")
    reference = dialog.field(
        visitor.t("refund.reference"),
        length_max=REFERENCE_MAX,
        value=proposal["reference"] if proposal else "",
    )
    reason = dialog.reason(visitor.t("decide.reason"), required=True)

    async def settle(key: str) -> Outcome:
        return await sending.as_visitor(visitor).settle_offline(
            refund["case_no"],
            key,
            out_refund_no=refund["out_refund_no"],
            reference=formats.typed(reference.value),
            reason=formats.typed(reason.value),
        )

    dialog.open(settle, refresh)
