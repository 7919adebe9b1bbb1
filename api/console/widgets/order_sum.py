"""What an order came to, line by line, with each line's slices of the discounts."""

from api.console.visitor import Visitor
from api.console.widgets.basic import money, tag
from db.views import View

COLUMNS = ("gross", "discount", "coupon", "net")


def order_sum(visitor: Visitor, order: View, lines: list[View]) -> None:
    """Goods, discounts, freight, and what the buyer paid."""
    with tag("table", classes="sum"):
        with tag("thead"), tag("tr"):
            tag("th", visitor.t("sum.goods")).props('scope="col"')
            for key in COLUMNS:
                tag("th", visitor.t(f"sum.{key}"), classes="right").props('scope="col"')
        with tag("tbody"):
            for line in lines:
                _line(line)
        with tag("tfoot"):
            _row(visitor.t("sum.freight"), order["freight"])
            _row(visitor.t("sum.paid"), order["total_fee"], "sum-total")


def _line(line: View) -> None:
    with tag("tr"):
        with tag("td"):
            tag("span", line["title"], classes="line-title")
            tag("span", f" × {line['quantity']}", classes="muted")
        slices = (
            line["gross"],
            -line["merchant_discount"],
            -line["platform_coupon"],
            line["net"],
        )
        for fen in slices:
            with tag("td", classes="right"):
                money(fen, classes="" if fen else "muted")


def _row(label: str, fen: int, classes: str = "") -> None:
    with tag("tr", classes=classes):
        tag("th", label).props('scope="row" colspan="4"')
        with tag("td", classes="right"):
            money(fen)
