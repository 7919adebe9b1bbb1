"""What a person must look at, and how they say that they have."""

from collections.abc import Awaitable, Callable

from api.console import formats
from api.console.sending import Outcome
from api.console.visitor import Visitor, now
from api.console.widgets.basic import badge, moment, money, number_link, secondary, tag
from api.console.widgets.dialog import Dialog
from db import work_queue
from db.views import View


def incident_list(
    visitor: Visitor, incidents: list[View], refresh: Callable[[], Awaitable[None]]
) -> None:
    """One line for each."""
    with tag("ul", classes="lines"):
        for incident in incidents:
            with tag("li", classes="line"):
                _incident(visitor, incident, refresh)


def _incident(visitor: Visitor, incident: View, refresh: Callable[[], Awaitable[None]]) -> None:
    badge(visitor, "incident", incident["kind"], "red")
    with tag("div", classes="line-body"):
        if incident["out_trade_no"]:
            number_link(incident["out_trade_no"], f"/orders/{incident['out_trade_no']}")
        else:
            tag("span", incident["cause"], classes="number")
        tag("span", incident["reason"], classes="muted")
    if incident["fen"]:
        money(incident["fen"])
    moment(visitor, incident["at"])
    if visitor.may("incidents.handle"):
        secondary(visitor.t("incident.handle"), lambda: _ask(visitor, incident, refresh))


def _ask(visitor: Visitor, incident: View, refresh: Callable[[], Awaitable[None]]) -> None:
    dialog = Dialog(visitor, visitor.t("incident.title"), visitor.t("incident.handle"))
    with dialog.body:
        tag("p", incident["reason"], classes="consequence")
    note = dialog.reason(visitor.t("incident.note"), required=True)
    number, by = incident["id"], visitor.principal.name

    async def handle(_: str) -> Outcome:
        if not await visitor.is_still_in():
            return Outcome({}, "signed_out")
        visitor.principal.check_may("incidents.handle")
        said = formats.typed(note.value)
        done = await visitor.context.write(
            lambda session: work_queue.handle_incident(session, number, by, said, now())
        )
        await visitor.note("incidents.handle", "done", f"{incident['kind']} {incident['cause']}")
        return Outcome({}, "" if done else "incident_handled")

    dialog.open(handle, refresh)
