"""Entries of the ledger: each posting with its debits and credits."""

from api.console.visitor import Visitor
from api.console.widgets.basic import empty, moment, money, tag
from db.views import View


def postings(visitor: Visitor, entries: list[View]) -> None:
    """One block for each posting, oldest first."""
    if not entries:
        empty(visitor.t("postings.none"))
        return
    with tag("table", classes="sum postings"):
        with tag("thead"), tag("tr"):
            tag("th", visitor.t("postings.account")).props('scope="col"')
            tag("th", visitor.t("postings.debit"), classes="right").props('scope="col"')
            tag("th", visitor.t("postings.credit"), classes="right").props('scope="col"')
        for posting in entries:
            _posting(visitor, posting)


def _posting(visitor: Visitor, posting: View) -> None:
    with tag("tbody"):
        head = tag("tr", classes="posting-head")
        with head, tag("th").props('colspan="3" scope="rowgroup"'):
            tag("span", visitor.said("posting", posting["kind"]))
            moment(visitor, posting["at"])
        for entry in posting["entries"]:
            with tag("tr"):
                with tag("td"):
                    tag("span", entry["account"], classes="number muted")
                    tag("span", visitor.said("account", entry["name"]))
                for side in ("debit", "credit"):
                    with tag("td", classes="right"):
                        if entry[side]:
                            money(entry[side])
