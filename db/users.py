"""People who may sign in to the console: the API's own table."""

from datetime import datetime

from sqlalchemy import update
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


def set_second_factor(
    session: Session, user: User, secret: str, step: int = 0, kept: str = ""
) -> None:
    """This secret's codes after `step` are asked for, or none for ""; all but `kept` are out."""
    user.totp_secret, user.totp_step = secret, step
    session.add(user)
    sessions.end_all(session, user.name, but=kept)


def take_step(session: Session, name: str, step: int) -> bool:
    """Take the code of this step; False if it, or a later one, was taken before."""
    newer = update(User).where(col(User.name) == name, col(User.totp_step) < step)
    return session.exec(newer.values(totp_step=step)).rowcount == 1


def set_disabled(session: Session, user: User, at: datetime | None) -> None:
    """Nobody signs in by this name from `at` on, and whoever is in is out; None: again."""
    user.disabled_at = at
    session.add(user)
    if at is not None:
        sessions.end_all(session, user.name)
