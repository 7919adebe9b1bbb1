"""The audit trail: refusals, reads of personal data, who signed in. It only ever grows."""

from dataclasses import dataclass

from sqlmodel import Session, col, select

from db.tables import AuditEntry
from db.views import View, instant

PAGE = 100


@dataclass(frozen=True)
class Wanted:
    """Filters; an empty one filters nothing. `before` is the id that the page before ended with."""

    actor: str = ""
    before: int = 0
    limit: int = PAGE


def add(session: Session, entry: AuditEntry) -> None:
    """Write one line."""
    session.add(entry)


def entries(session: Session, wanted: Wanted) -> list[View]:
    """What was written, newest first."""
    query = select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(wanted.limit)
    if wanted.actor:
        query = query.where(col(AuditEntry.actor) == wanted.actor)
    if wanted.before:
        query = query.where(col(AuditEntry.id) < wanted.before)
    return [
        {
            "id": row.id,
            "at": instant(row.at),
            "actor": row.actor,
            "role": row.role,
            "action": row.action,
            "outcome": row.outcome,
            "subject": row.subject,
            "address": row.address,
        }
        for row in session.exec(query)
    ]
