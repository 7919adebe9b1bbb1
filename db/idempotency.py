"""The first answer to each request, kept for its repeats. The API's own table."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from db.tables import IdempotencyKey
from domain.refusals import Code, Refused


@dataclass(frozen=True)
class Answer:
    """What the first request was told."""

    status: int
    body: dict[str, Any]


def opened(session: Session, request_id: str, body_hash: str, now: datetime) -> Answer | None:
    """The first answer, if there was one; raises Refused for another body under the same key."""
    row = session.get(IdempotencyKey, request_id)
    if row is None:
        session.add(IdempotencyKey(request_id=request_id, body_hash=body_hash, created_at=now))
        return None
    if row.body_hash != body_hash:
        raise Refused(
            Code.IDEMPOTENCY_KEY_REUSED,
            "another request was made under this Idempotency-Key",
            "Idempotency-Key",
        )
    if row.status is None or row.answer is None:
        return None
    return Answer(row.status, row.answer)


def keep(session: Session, request_id: str, answer: Answer) -> Answer:
    """Remember the first answer, and give it: copies made at once are all told the same."""
    row = session.get_one(IdempotencyKey, request_id, with_for_update=True)
    if row.status is None or row.answer is None:
        row.status, row.answer = answer.status, answer.body
    return Answer(row.status, row.answer)
