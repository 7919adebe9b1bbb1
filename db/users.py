"""People who may sign in to the console: the API's own table."""

from datetime import datetime

from sqlmodel import Session, col, select

from db import sessions
from db.tables import User


class UserExists(Exception):
    """Somebody has this name already."""


def find(session: Session, name: str) -> User | None:
    """The user of that name, disabled or not."""
    return session.get(User, name)


def add(session: Session, user: User) -> None:
    """Let somebody sign in; raises UserExists."""
    if session.get(User, user.name) is not None:
        raise UserExists(user.name)
    session.add(user)


def everybody(session: Session) -> list[User]:
    """All users, by name."""
    return list(session.exec(select(User).order_by(col(User.name))))


def set_password(session: Session, user: User, password_hash: str, kept: str = "") -> None:
    """A new password; whoever is signed in under the old one is out, but for the token `kept`."""
    user.password_hash = password_hash
    session.add(user)
    sessions.end_all(session, user.name, but=kept)


def set_disabled(session: Session, user: User, at: datetime | None) -> None:
    """Nobody signs in by this name from `at` on, and whoever is in is out; None: again."""
    user.disabled_at = at
    session.add(user)
    if at is not None:
        sessions.end_all(session, user.name)
