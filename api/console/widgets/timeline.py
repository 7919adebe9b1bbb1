"""What happened, when, by whom, and why."""

from api.console import formats
from api.console.visitor import Visitor
from api.console.widgets.basic import moment, tag
from db.views import View

LOUD = frozenset({"ALARM", "PLATFORM_BREACHED", "REFUND_STUCK", "DECISION_IGNORED"})


def timeline(visitor: Visitor, entries: list[View]) -> None:
    """The latest first."""
    with tag("ol", classes="timeline"):
        for entry in reversed(entries):
            _entry(visitor, entry)


def _entry(visitor: Visitor, entry: View) -> None:
    classes = f"entry by-{entry['actor'].partition(':')[0]}"
    with tag("li", classes=f"{classes} is-loud" if entry["event"] in LOUD else classes):
        with tag("div", classes="entry-head"):
            tag("span", visitor.said("event", entry["event"]), classes="entry-event")
            moment(visitor, entry["at"])
        with tag("div", classes="entry-line"):
            tag("span", formats.actor(visitor, entry["actor"]), classes="entry-actor")
            if entry["from"] != entry["to"] and entry["to"]:
                tag("span", _move(visitor, entry), classes="muted")
        if entry["reason"]:
            tag("p", entry["reason"], classes="entry-reason")
        for name, value in entry["detail"].items():
            said = state_in_words(visitor, value) if name.endswith("_state") else value
            tag("p", f"{visitor.said('detail', name)}: {said}", classes="entry-detail")


def _move(visitor: Visitor, entry: View) -> str:
    target = state_in_words(visitor, entry["to"])
    if not entry["from"]:
        return f"→ {target}"
    return f"{state_in_words(visitor, entry['from'])} → {target}"


def state_in_words(visitor: Visitor, state: str) -> str:
    """A state of an order, a case or a refund: timelines of a case show its refunds too."""
    for kind in ("case_state", "refund_state", "order_state"):
        words = visitor.said(kind, state)
        if words != state:
            return words
    return state
