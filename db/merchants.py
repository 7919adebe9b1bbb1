"""Merchants' settings: the API's own to write."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from db.records import ensure_merchant
from db.tables import Merchant


@dataclass(frozen=True)
class Settings:
    """What a merchant sets."""

    name: str
    sub_mch_id: str
    return_address: dict[str, str]
    policies: dict[str, str]


def put(session: Session, merchant_id: str, settings: Settings, now: datetime) -> None:
    """Replace a merchant's settings."""
    ensure_merchant(session, merchant_id, now)
    row = session.get_one(Merchant, merchant_id)
    row.name, row.sub_mch_id = settings.name, settings.sub_mch_id
    row.return_address, row.policies = settings.return_address, settings.policies
    row.updated_at = now
    session.flush()
