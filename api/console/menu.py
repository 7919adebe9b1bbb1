"""Every page of the console: where it is, and who may open it."""

from dataclasses import dataclass

from api.auth import Principal


@dataclass(frozen=True)
class Page:
    """A page; `key` names its texts, `action` is what the table of permissions asks for."""

    key: str
    path: str
    icon: str
    action: str
    in_menu: bool = True
    sandbox_only: bool = False


QUEUE = Page("queue", "/", "inbox", "read")
CASES = Page("cases", "/cases", "assignment_return", "read")
CASE = Page("case", "/cases/{case_no}", "", "read", in_menu=False)
ORDERS = Page("orders", "/orders", "receipt_long", "read")
ORDER = Page("order", "/orders/{out_trade_no}", "", "read", in_menu=False)
REFUNDS = Page("refunds", "/refunds", "currency_exchange", "refunds.desk")
STATEMENT = Page("statement", "/statement", "account_balance_wallet", "statements.read")
RECONCILIATION = Page("reconciliation", "/reconciliation", "fact_check", "reconciliations.read")
LEDGER = Page("ledger", "/ledger", "balance", "ledger.read")
STATISTICS = Page("statistics", "/statistics", "insights", "statistics.read")
AUDIT = Page("audit", "/audit", "policy", "audit.read")
ACCOUNT = Page("account", "/account", "", "read", in_menu=False)
SANDBOX = Page("sandbox", "/sandbox", "science", "sandbox.play", sandbox_only=True)

PAGES = (
    QUEUE,
    CASES,
    CASE,
    ORDERS,
    ORDER,
    REFUNDS,
    STATEMENT,
    RECONCILIATION,
    LEDGER,
    STATISTICS,
    AUDIT,
    ACCOUNT,
    SANDBOX,
)


def menu_of(principal: Principal, sandbox: bool) -> list[Page]:
    """What this person's menu shows."""
    return [
        page
        for page in PAGES
        if page.in_menu and principal.may(page.action) and (sandbox or not page.sandbox_only)
    ]
