"""Signing in to the console: passwords, throttling, and the sessions that cookies stand for."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlmodel import Session

from api import audit
from api.auth import Principal
from api.context import Context
from api.passwords import weakness
from api.problems import Problem
from db import sessions, users
from db.sessions import Failures, SignedIn
from db.tables import SessionRow, SignInFailure, User
from settings import SANDBOX_LOGINS, SANDBOX_PASSWORD, token_hash

LIFETIME = timedelta(hours=12)
FORGIVEN_AFTER = timedelta(minutes=15)
FAILURES_MAX = Failures(name=20, address=50, both=5)

_hasher = PasswordHasher()


async def sign_in(context: Context, name: str, password: str, address: str) -> str:
    """The secret of a new session; raises Problem for a wrong password, or too many of them."""
    attempt = await _suspected(context, name, address)
    user = await context.read(lambda session: users.find(session, name))
    right = await asyncio.to_thread(_is_right, user, password)
    if user is None or not right or not _may_sign_in(context, user):
        stranger = Principal(name, "", "")
        await audit.note(context, stranger, "sign_in", "refused", "", address)
        raise Problem(401, "wrong_password", "no such name and password")
    return await _begun(context, user, attempt, address)


async def _suspected(context: Context, name: str, address: str) -> int:
    tried = SignInFailure(name=name, address=address, at=datetime.now(UTC))
    attempt = await context.write(
        lambda session: sessions.suspect(session, tried, FORGIVEN_AFTER, FAILURES_MAX)
    )
    if attempt is None:
        minutes = int(FORGIVEN_AFTER.total_seconds() / 60)
        detail = f"signing in failed too often: try again in {minutes} minutes"
        raise Problem(429, "too_many_failures", detail)
    return attempt


def _is_right(user: User | None, password: str) -> bool:
    # An unknown name costs as much time as a wrong password: names can't be found out.
    known = user.password_hash if user else _nobodys_hash()
    try:
        return _hasher.verify(known, password)
    except VerificationError:
        return False


@cache
def _nobodys_hash() -> str:
    return hashed(secrets.token_urlsafe())


def _may_sign_in(context: Context, user: User) -> bool:
    return user.disabled_at is None and (context.settings.sandbox or not user.is_sandbox)


async def _begun(context: Context, user: User, attempt: int, address: str) -> str:
    secret, now = secrets.token_urlsafe(32), datetime.now(UTC)
    row = SessionRow(
        token_hash=token_hash(secret),
        name=user.name,
        created_at=now,
        expires_at=now + LIFETIME,
        address=address,
    )

    def change(session: Session) -> None:
        sessions.cleared(session, attempt)
        sessions.begin(session, row)

    await context.write(change)
    who = Principal(user.name, user.role, user.merchant_id)
    await audit.note(context, who, "sign_in", "done", "", address)
    return secret


async def signed_in(context: Context, secret: str) -> SignedIn | None:
    """Who this secret belongs to, if the session is still good."""
    if not secret:
        return None
    now = datetime.now(UTC)
    found = await context.read(lambda session: sessions.find(session, token_hash(secret), now))
    if found is None or (found.is_sandbox and not context.settings.sandbox):
        return None
    return found


async def sign_out(context: Context, secret: str) -> None:
    """The session is over."""
    await context.write(lambda session: sessions.end(session, token_hash(secret)))


async def change_password(
    context: Context, who: Principal, secret: str, given: tuple[str, str], address: str
) -> None:
    """From the password that holds to a new one; only the session of this secret goes on.

    Raises Problem: a wrong password, which counts like one at the door, or a weak new one.
    """
    now_held, wanted = given
    user = await context.read(lambda session: users.find(session, who.name))
    if user is None or user.is_sandbox:
        raise Problem(409, "sandbox_login", "everybody knows the password of a sandbox login")
    weak = await asyncio.to_thread(weakness, wanted, who.name)
    if weak:
        raise Problem(422, weak, "a password that would be guessed")
    attempt = await _suspected(context, who.name, address)
    if not await asyncio.to_thread(_is_right, user, now_held):
        await audit.note(context, who, "change_password", "refused", "", address)
        raise Problem(401, "wrong_password", "that is not the password")
    password_hash = await asyncio.to_thread(hashed, wanted)

    def change(session: Session) -> None:
        sessions.cleared(session, attempt)
        mine = session.get_one(User, who.name)
        users.set_password(session, mine, password_hash, kept=token_hash(secret))

    await context.write(change)
    await audit.note(context, who, "change_password", "done", "", address)


async def sign_out_others(context: Context, who: Principal, secret: str, address: str) -> None:
    """Only the session of this secret goes on."""
    await context.write(lambda session: sessions.end_all(session, who.name, but=token_hash(secret)))
    await audit.note(context, who, "sign_out_others", "done", "", address)


async def set_zone(context: Context, secret: str, utc_offset_minutes: int) -> None:
    """Remember the reader's zone for the session."""
    await context.write(
        lambda session: sessions.set_zone(session, token_hash(secret), utc_offset_minutes)
    )


def csrf_token(secret: str) -> str:
    """What a form of this session carries, and another site can't know."""
    return token_hash(f"csrf of {secret}")


def hashed(password: str) -> str:
    """What is kept of a password."""
    return _hasher.hash(password)


async def ensure_sandbox_logins(context: Context) -> None:
    """In the sandbox: one login for each role, with a password that everybody knows."""
    missing = await context.read(
        lambda session: [name for name in SANDBOX_LOGINS if users.find(session, name) is None]
    )
    if not missing:
        return
    password_hash = await asyncio.to_thread(hashed, SANDBOX_PASSWORD)
    now = datetime.now(UTC)

    def change(session: Session) -> None:
        for name in missing:
            if users.find(session, name) is None:
                role, merchant_id = SANDBOX_LOGINS[name]
                users.add(
                    session,
                    User(
                        name=name,
                        role=role,
                        merchant_id=merchant_id,
                        password_hash=password_hash,
                        is_sandbox=True,
                        created_at=now,
                    ),
                )

    await context.write(change)
