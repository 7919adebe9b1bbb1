"""What the books hold for one order."""

from collections import Counter

from tests.shop import Shop


async def books_of(shop: Shop, number: str) -> tuple[Counter[str], Counter[str]]:
    """Postings of each kind; what is left in each account, debit less credit in fen."""
    found = await shop.get("finance", f"/v1/ledger/entries?out_trade_no={number}")
    left: Counter[str] = Counter()
    for posting in found["items"]:
        for entry in posting["entries"]:
            left[entry["name"]] += entry["debit"] - entry["credit"]
    return Counter(posting["kind"] for posting in found["items"]), left
