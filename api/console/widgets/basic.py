"""Small building blocks: elements with text, links, badges, amounts, instants."""

from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from api.console import formats
from api.console.visitor import Visitor
from db.views import View

LOOKS = {
    "primary": "unelevated",
    "secondary": "outline",
    "danger": "outline",
    "danger-solid": "unelevated",
    "quiet": "flat",
    "preset": "flat dense",
    "tab": "flat dense",
}
TONES = {
    "PENDING_MERCHANT": "amber",
    "AWAITING_RETURN": "blue",
    "AWAITING_RECEIPT": "amber",
    "PENDING_PLATFORM": "amber",
    "REFUNDING": "blue",
    "REFUND_ABNORMAL": "red",
    "REJECTED": "grey",
    "COMPLETED": "green",
    "CLOSED": "grey",
    "PENDING_PAYMENT": "amber",
    "AWAITING_SHIPMENT": "amber",
    "SHIPPED": "blue",
    "RECEIVED": "blue",
    "CREATED": "grey",
    "SUBMITTING": "blue",
    "PROCESSING": "blue",
    "UNKNOWN": "amber",
    "SUCCEEDED": "green",
    "ABNORMAL": "red",
    "MANUAL_SETTLED": "green",
    "SETTLED": "green",
    "RUNNING": "blue",
    "OPEN": "red",
    "FAILED": "red",
}


def tag(name: str, text: str = "", *, classes: str = "") -> TextElement:
    """An HTML element, with text if there is any."""
    element = TextElement(tag=name, text=text)
    return element.classes(classes) if classes else element


def link(text: str, path: str) -> ui.link:
    """A link to a page of the console."""
    return ui.link(text, path)


def number_link(number: str, path: str) -> ui.link:
    """A link whose text is a number."""
    return link(number, path).classes("number")


def badge(visitor: Visitor, kind: str, code: str, tone: str = "") -> TextElement:
    """A state in words, coloured."""
    if kind == "refund_state" and code == "CLOSED":
        tone = "red"
    tone = tone or TONES.get(code, "grey")
    return tag("span", visitor.said(kind, code), classes=f"badge tone-{tone}")


def money(fen: int | None, *, classes: str = "") -> TextElement:
    """An amount."""
    return tag("span", formats.money(fen), classes=f"money {classes}")


def merchant(view: View) -> TextElement:
    """Whose it is."""
    return tag("span", view["merchant_id"], classes="nowrap")


def moment(visitor: Visitor, at: str | None) -> TextElement:
    """An instant in the reader's zone; the whole of it on hovering."""
    element = tag("time", formats.when(visitor, at), classes="moment")
    element.props["title"] = formats.when_in_full(visitor, at)
    return element


def icon_button(icon: str, label: str) -> ui.button:
    """A button that shows an icon and says its label."""
    made = ui.button(icon=icon, color=None).props("flat round dense")
    made.props["aria-label"] = label
    made.tooltip(label)
    return made


def button(
    text: str, on_click: Callable[[], Any], look: str = "secondary", *, about: str = ""
) -> ui.button:
    """A button; `look` is a key of LOOKS, `about` what it is about where there are many of it."""
    made = ui.button(text, on_click=on_click, color=None)
    made.props(f"no-caps {LOOKS[look]}").classes(look)
    if about:
        made.props["aria-label"] = f"{text} {about}"
    return made


def primary(text: str, on_click: Callable[[], Any], *, about: str = "") -> ui.button:
    """The button of what is expected."""
    return button(text, on_click, "primary", about=about)


def secondary(text: str, on_click: Callable[[], Any], *, about: str = "") -> ui.button:
    """A button of something else."""
    return button(text, on_click, about=about)


def card(title: str = "", *, classes: str = "") -> TextElement:
    """A section of a page; its title is a heading."""
    section = tag("section", classes=f"card {classes}")
    if title:
        with section:
            tag("h2", title, classes="card-title")
    return section


def empty(text: str) -> None:
    """What is said where there is nothing."""
    tag("p", text, classes="empty")


def notify(text: str, *, good: bool) -> None:
    """A message that goes away by itself."""
    ui.notify(
        text,
        type="positive" if good else "negative",
        position="top",
        timeout=4000 if good else 8000,
        close_button=not good,
    )
