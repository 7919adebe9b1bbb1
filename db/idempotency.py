"""The first answer to each request, kept for its repeats. The API's own table."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam
from sqlmodel import Session, SQLModel

from db.engine import insert_new
from db.tables import IdempotencyKey
from domain.refusals import Code, Refused

_KEYS: Final = SQLModel.metadata.tables["idempotency_keys"]
_UNANSWERED: Final = _KEYS.update().where(
    _KEYS.c.request_id == bindparam("of"), _KEYS.c.status.is_(None)
)


@dataclass(frozen=True)
class Answer:
    """What the first request was told."""

    status: int
    body: dict[str, Any]


def opened(session: Session, request_id: str, body_hash: str, now: datetime) -> Answer | None:
    """The first answer, if there was one; raises Refused for another body under the same key."""
    new = {"request_id": request_id, "body_hash": body_hash, "created_at": now}
    if insert_new(session, "idempotency_keys", new):
        return None
    row = session.get_one(IdempotencyKey, request_id)
    if row.body_hash != body_hash:
        raise Refused(
            Code.IDEMPOTENCY_KEY_REUSED,
            "another request was made under this Idempotency-Key",
            "Idempotency-Key",
        )
    return _answer(row)


def keep(session: Session, request_id: str, answer: Answer) -> Answer:
    """Remember the first answer, and give it: copies made at once are all told the same."""
    told = {"of": request_id, "status": answer.status, "answer": answer.body}
    if session.connection().execute(_UNANSWERED, told).rowcount == 1:
        return answer
    return _answer(session.get_one(IdempotencyKey, request_id, populate_existing=True)) or answer


def _answer(row: IdempotencyKey) -> Answer | None:
    if row.status is None or row.answer is None:
        return None
    return Answer(row.status, row.answer)
