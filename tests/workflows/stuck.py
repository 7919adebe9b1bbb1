"""Refunds that are stuck, and what people may do about one."""

from typing import Any

from sqlmodel import col, select

from db.tables import Incident
from tests.shop import Shop


async def approved(shop: Shop, fault: str, **more: Any) -> str:
    """A case on whose first refund this fault strikes; approved."""
    case_no = await shop.apply(await shop.paid())
    await shop.fault(fault, f"{case_no}-1", **more)
    await shop.approve(case_no)
    return case_no


async def settle(shop: Shop, who: str, case_no: str, refund: int = 1) -> Any:
    """One person's word that the buyer was paid another way."""
    body = {
        "out_refund_no": f"{case_no}-{refund}",
        "reference": "招行20261124",
        "reason": "账户已注销",
    }
    return (await shop.post(who, f"/v1/after-sales/{case_no}/settle-offline", body)).json()


async def again(shop: Shop, case_no: str, refund: int = 1) -> Any:
    """Finance asks for a new number, a minute after the first one for WeChat Pay."""
    await shop.control("clock", advance_s=60)
    body = {"out_refund_no": f"{case_no}-{refund}"}
    return (await shop.post("finance", f"/v1/after-sales/{case_no}/refunds", body)).json()


async def moved(shop: Shop, case_no: str) -> dict[str, int]:
    """How often money left under each number of a case."""
    rows = (await shop.truth())["refunds"]
    return {
        row["out_refund_no"]: row["money_moves"]
        for row in rows
        if row["out_refund_no"].startswith(case_no)
    }


def incidents(shop: Shop, number: str) -> list[str]:
    """What was put before a person about a refund."""
    with shop.database.read() as session:
        return list(session.exec(select(Incident.kind).where(col(Incident.cause) == number)))
