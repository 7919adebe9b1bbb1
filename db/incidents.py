"""What a person must look at."""

from sqlmodel import Session, col, select

from db.tables import Incident


def raise_once(session: Session, incident: Incident) -> None:
    """Put something before a person, once for each kind and cause."""
    known = select(col(Incident.id)).where(
        col(Incident.kind) == incident.kind, col(Incident.cause) == incident.cause
    )
    if session.exec(known).first() is None:
        session.add(incident)
