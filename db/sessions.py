"""Who is signed in, and who failed to: the API's own tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func
from sqlmodel import Session, col, select

from db.tables import SessionRow, SignInFailure, User


@dataclass(frozen=True)
class SignedIn:
    """A person in a session that is still good."""

    name: str
    role: str
    merchant_id: str
    is_sandbox: bool
    has_second_factor: bool
    utc_offset_minutes: int | None


@dataclass(frozen=True)
class Failures:
    """How often signing in failed lately: by a name, from an address, by a name from an address."""

    name: int
    address: int
    both: int


def begin(session: Session, row: SessionRow) -> None:
    """Somebody signed in; sessions that are over are forgotten on the way."""
    session.exec(delete(SessionRow).where(col(SessionRow.expires_at) <= row.created_at))
    session.add(row)


def find(session: Session, token_hash: str, now: datetime) -> SignedIn | None:
    """Who is signed in under this token, if anybody still is."""
    query = (
        select(SessionRow, User)
        .join(User, col(User.name) == col(SessionRow.name))
        .where(
            col(SessionRow.token_hash) == token_hash,
            col(SessionRow.expires_at) > now,
            col(User.disabled_at).is_(None),
        )
    )
    found = session.exec(query).one_or_none()
    if found is None:
        return None
    row, user = found
    return SignedIn(
        name=user.name,
        role=user.role,
        merchant_id=user.merchant_id,
        is_sandbox=user.is_sandbox,
        has_second_factor=bool(user.totp_secret),
        utc_offset_minutes=row.utc_offset_minutes,
    )


def set_zone(session: Session, token_hash: str, utc_offset_minutes: int) -> None:
    """The reader's zone, as the browser says."""
    row = session.get(SessionRow, token_hash)
    if row is not None:
        row.utc_offset_minutes = utc_offset_minutes


def end(session: Session, token_hash: str) -> None:
    """Somebody signed out."""
    session.exec(delete(SessionRow).where(col(SessionRow.token_hash) == token_hash))


def end_all(session: Session, name: str, but: str = "") -> None:
    """Somebody is signed out everywhere, but for the session of this token."""
    session.exec(
        delete(SessionRow).where(col(SessionRow.name) == name, col(SessionRow.token_hash) != but)
    )


def of(session: Session, name: str, now: datetime) -> Sequence[SessionRow]:
    """Somebody's sessions that are still good, the newest first."""
    mine = col(SessionRow.name) == name, col(SessionRow.expires_at) > now
    newest_first = col(SessionRow.created_at).desc()
    return session.exec(select(SessionRow).where(*mine).order_by(newest_first)).all()


def suspect(
    session: Session, attempt: SignInFailure, within: timedelta, allowed: Failures
) -> int | None:
    """Count a try to sign in as failed until it is `cleared`; None when there were too many.

    Counting first leaves no gap for many tries at once.
    """
    session.exec(delete(SignInFailure).where(col(SignInFailure.at) <= attempt.at - within))
    before = failures(session, attempt.name, attempt.address)
    too_many = (
        before.name >= allowed.name
        or before.address >= allowed.address
        or before.both >= allowed.both
    )
    if too_many:
        return None
    session.add(attempt)
    session.flush()
    return attempt.id


def cleared(session: Session, attempt: int) -> None:
    """The password was right after all."""
    session.exec(delete(SignInFailure).where(col(SignInFailure.id) == attempt))


def failures(session: Session, name: str, address: str) -> Failures:
    """What there is of failures that are not forgotten yet."""
    by_name, from_there = col(SignInFailure.name) == name, col(SignInFailure.address) == address

    def count(*conditions: ColumnElement[bool]) -> int:
        return session.exec(
            select(func.count()).select_from(SignInFailure).where(*conditions)
        ).one()

    return Failures(count(by_name), count(from_there), count(by_name, from_there))
