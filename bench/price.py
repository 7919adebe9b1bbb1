"""What a million orders cost on a managed Temporal and PostgreSQL, from what was measured."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.cost import Spent
from bench.figures import Row, Section

MILLION = 1_000_000
GB = 1e9
INDEXES = 2.5
"""Bytes in the database for each byte of a row: indexes, page headers, free space."""


@dataclass(frozen=True)
class Prices:
    """Inputs: put your own provider's here. US dollars."""

    million_actions: float = 50.0
    active_gb_hour: float = 0.042
    retained_gb_hour: float = 0.00105
    table_gb_month: float = 0.12


@dataclass(frozen=True)
class Business:
    """Inputs: how your orders go."""

    unshipped_refunds: float = 0.05
    returns: float = 0.03
    open_days: float = 18.0
    retained_days: float = 30.0
    kept_months: float = 12.0


def per_million_orders(
    spent: Mapping[str, Spent], prices: Prices, business: Business
) -> dict[str, float]:
    """Dollars for a million orders, by what they are paid for."""
    actions = _mixed({name: one.cost.actions for name, one in spent.items()}, business)
    history = _mixed({name: one.history_bytes for name, one in spent.items()}, business)
    rows = _mixed({name: one.row_bytes for name, one in spent.items()}, business)
    gigabytes = history * MILLION / GB
    return {
        "Actions": actions * prices.million_actions,
        "histories of open orders": gigabytes * business.open_days * 24 * prices.active_gb_hour,
        "histories kept afterwards": (
            gigabytes * business.retained_days * 24 * prices.retained_gb_hour
        ),
        "tables": (rows * MILLION / GB * INDEXES * business.kept_months * prices.table_gb_month),
    }


def section(
    spent: Mapping[str, Spent], prices: Prices = Prices(), business: Business = Business()
) -> Section:
    """The table of it."""
    dollars = per_million_orders(spent, prices, business)
    rows = [Row(f"{name}, a million orders", "USD", (round(one),)) for name, one in dollars.items()]
    rows.append(Row("together, a million orders", "USD", (round(sum(dollars.values())),)))
    note = (
        f"Inputs (`bench/price.py`): {prices.million_actions:g} USD a million Actions, "
        f"{prices.active_gb_hour:g} and {prices.retained_gb_hour:g} USD a GB-hour of active and "
        f"retained history, {prices.table_gb_month:g} USD a GB-month of tables; "
        f"{business.unshipped_refunds:.0%} unshipped refunds, {business.returns:.0%} returns, "
        f"{business.open_days:g} days open, histories kept {business.retained_days:g} days, tables "
        f"{business.kept_months:g} months."
    )
    return Section("price", "1b. Money", rows, note)


def _mixed(each: Mapping[str, float], business: Business) -> float:
    """The mean over all orders; a return comes on top of most of a completed order."""
    return (
        each["completed order"]
        + each["unshipped refund, after paying"] * business.unshipped_refunds
        + each["return refund, after receiving"] * business.returns
    )
