"""The activities of `steps`: empty where ours writes tables, the same calls to WeChat Pay."""

from typing import Any

from temporalio import activity

from bench.rivals.shared import Shop


class Here:
    """This process's connections."""

    shop: Shop


@activity.defn
async def nothing() -> None:
    """Where ours writes tables."""


@activity.defn
async def reserve() -> None:
    """Where ours holds the money."""


@activity.defn
async def open_payment(terms: dict[str, Any]) -> str:
    """Let the buyer pay."""
    return await Here.shop.open_payment(terms)


@activity.defn
async def submit_refund(case_no: str, transaction_id: str, fee: int) -> str:
    """Ask WeChat Pay to refund."""
    return await Here.shop.submit_refund(case_no, transaction_id, fee)


@activity.defn
async def is_refunded(case_no: str) -> bool:
    """Ask WeChat Pay whether the money is back."""
    return await Here.shop.is_refunded(case_no)
