"""Refunds that need somebody, with the ways out: ask, a new number, settle by two."""

from collections.abc import Awaitable, Callable

from api.console import desk
from api.console.visitor import Visitor
from api.console.widgets.basic import badge, moment, money, number_link, secondary, tag
from db.views import View

Refresh = Callable[[], Awaitable[None]]


def refund_list(visitor: Visitor, refunds: list[View], refresh: Refresh) -> None:
    """One line for each."""
    with tag("ul", classes="lines"):
        for refund in refunds:
            with tag("li", classes="line"):
                _refund(visitor, refund)
                refund_actions(visitor, refund, refresh)


def _refund(visitor: Visitor, refund: View) -> None:
    badge(visitor, "refund_state", refund["state"])
    with tag("div", classes="line-body"):
        if refund["case_no"]:
            number_link(refund["out_refund_no"], f"/cases/{refund['case_no']}")
        else:
            number_link(refund["out_refund_no"], f"/orders/{refund['out_trade_no']}")
        if refund["problem"]:
            tag("span", refund["problem"], classes="muted")
        if proposal := refund.get("proposal"):
            tag("span", desk.proposed(visitor, proposal), classes="proposal")
    money(refund["refund_fee"])
    moment(visitor, refund["updated_at"])


def refund_actions(visitor: Visitor, refund: View, refresh: Refresh) -> None:
    """The buttons of what may be done about a refund now."""
    with tag("div", classes="row-actions tall"):
        if visitor.may("refunds.query") and refund["state"] in desk.ASKABLE:

            async def ask() -> None:
                await desk.query(visitor, refund, refresh)

            _button(visitor.t("refund.query"), ask, refund)
        if visitor.may("refunds.again") and refund["state"] == "CLOSED":
            _button(
                visitor.t("refund.again"), lambda: desk.ask_again(visitor, refund, refresh), refund
            )
        if visitor.may("after_sales.settle_offline") and refund["state"] in desk.SETTLEABLE:
            confirms = refund.get("proposal") is not None
            label = visitor.t("refund.confirm_offline" if confirms else "refund.settle_offline")
            _button(label, lambda: desk.ask_offline(visitor, refund, refresh), refund)


def _button(label: str, act: Callable[[], object], refund: View) -> None:
    secondary(label, act, about=refund["out_refund_no"]).props("dense")
