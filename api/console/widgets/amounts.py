"""The sum of a case made visible: each line from its price to what the buyer gets back."""

from api.console import formats
from api.console.visitor import Visitor
from api.console.widgets.basic import money, tag
from db.views import View


def breakdown(visitor: Visitor, amounts: View) -> None:
    """Line prices, slices of discount and coupon, freight, vouchers, and what is refunded."""
    with tag("table", classes="sum"):
        if amounts["lines"]:
            _head(visitor)
        with tag("tbody"):
            for line in amounts["lines"]:
                _line(line)
        with tag("tfoot"):
            _foot(visitor, amounts)


def _head(visitor: Visitor) -> None:
    with tag("thead"), tag("tr"):
        for key in ("goods", "gross", "discount", "coupon", "net"):
            cell = tag("th", visitor.t(f"sum.{key}")).props('scope="col"')
            cell.classes("" if key == "goods" else "right")


def _line(line: View) -> None:
    with tag("tr"):
        with tag("td"):
            tag("span", line["title"], classes="line-title")
            tag("span", f" × {line['quantity']}", classes="muted")
        for name, sign in (
            ("gross", 1),
            ("merchant_discount", -1),
            ("platform_coupon", -1),
            ("net", 1),
        ):
            with tag("td", classes="right"):
                money(sign * line[name], classes="" if line[name] else "muted")


def _foot(visitor: Visitor, amounts: View) -> None:
    rows = [("goods_in_all", amounts["goods"])] if amounts["lines"] else []
    rows.append(("freight", amounts["freight"]))
    for key, fen in rows:
        _row(visitor.t(f"sum.{key}"), fen)
    for voucher in amounts["vouchers"]:
        _voucher(visitor, voucher)
    _row(visitor.t("sum.refund"), amounts["refund_fee"], "sum-total")


def _voucher(visitor: Visitor, voucher: View) -> None:
    fate = visitor.said("coupon_state", voucher["to"])
    label = visitor.t("sum.voucher", title=voucher["title"], fate=fate)
    if voucher["receivable"]:
        owed = formats.money(voucher["receivable"])
        label = f"{label} · {visitor.t('sum.receivable', amount=owed)}"
    _row(label, -voucher["deducted"])


def _row(label: str, fen: int, classes: str = "") -> None:
    with tag("tr", classes=classes):
        tag("th", label).props('scope="row" colspan="4"')
        with tag("td", classes="right"):
            money(fen)
