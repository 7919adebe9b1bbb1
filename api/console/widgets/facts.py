"""Facts as name and value, and WeChat Pay's answers call by call."""

from collections.abc import Callable

from api.console.visitor import Visitor
from api.console.widgets.basic import moment, tag
from db.views import View


def of_case(visitor: Visitor, case: View) -> None:
    """What was asked for, why, by whom, and how it came back."""
    parcel = case["return_shipment"]
    t, said = visitor.t, visitor.said
    with tag("dl", classes="facts"):
        _fact(t("column.type"), said("case_type", case["type"]))
        _fact(t("column.reason"), said("reason_code", case["reason_code"]))
        if case["reason"]:
            _fact(t("fact.words"), case["reason"])
        _fact(t("column.responsibility"), said("responsibility", case["responsibility"]))
        _fact(t("column.origin"), said("origin", case["origin"]))
        _fact(t("column.merchant"), case["merchant_id"])
        if parcel:
            _fact(t("fact.return"), f"{parcel['carrier']} {parcel['tracking_no']}")
        for name in ("opened_at", "processed_at", "breached_at", "ended_at"):
            if case[name]:
                _moment(visitor, t(f"fact.{name}"), case[name])


def of_refund(visitor: Visitor, refund: View) -> None:
    """Both clocks: accepted by WeChat Pay, and back with the buyer."""
    t = visitor.t
    with tag("dl", classes="facts"):
        if refund["refund_id"]:
            _fact(t("fact.refund_id"), refund["refund_id"])
        for name in ("accepted_at", "succeeded_at"):
            if refund[name]:
                _moment(visitor, t(f"fact.{name}"), refund[name])
        if refund["problem"]:
            _fact(t("fact.problem"), refund["problem"])


def of_order(visitor: Visitor, order: View, openid: Callable[[], object]) -> None:
    """Who bought, when, and where the parcel is; `openid` shows the buyer."""
    t = visitor.t
    with tag("dl", classes="facts"):
        _fact(t("fact.description"), order["description"])
        _fact(t("column.merchant"), order["merchant_id"])
        tag("dt", t("fact.openid"))
        with tag("dd"):
            openid()
        if order["transaction_id"]:
            _fact(t("fact.transaction_id"), order["transaction_id"])
        if order["tracking_no"]:
            _fact(t("fact.parcel"), f"{order['carrier']} {order['tracking_no']}")
        for name in ("placed_at", "paid_at", "shipped_at", "received_at", "ended_at"):
            if order[name]:
                _moment(visitor, t(f"fact.{name}"), order[name])


def attempts(visitor: Visitor, answers: list[View]) -> None:
    """Each call to WeChat Pay and its answer."""
    if not answers:
        return
    with tag("details", classes="attempts"):
        tag("summary", visitor.t("refund.attempts", count=len(answers)))
        with tag("ol"):
            for answer in answers:
                with tag("li"):
                    moment(visitor, answer["at"])
                    tag("span", f"{answer['call']} → {answer['outcome']}", classes="number")
                    if answer["message"]:
                        tag("span", answer["message"], classes="muted")


def run_link(visitor: Visitor, workflow_id: str) -> None:
    """Where the run itself can be watched."""
    address = visitor.context.settings.temporal_ui_url.rstrip("/")
    if not address:
        tag("p", visitor.t("case.run", run=workflow_id), classes="muted small")
        return
    anchor = tag("a", visitor.t("case.run_link"), classes="outside")
    anchor.props('target="_blank" rel="noopener noreferrer"')
    anchor.props["href"] = (
        f"{address}/namespaces/{visitor.context.client.namespace}/workflows/{workflow_id}"
    )


def _fact(name: str, value: str) -> None:
    tag("dt", name)
    tag("dd", value)


def _moment(visitor: Visitor, name: str, at: str) -> None:
    tag("dt", name)
    with tag("dd"):
        moment(visitor, at)
