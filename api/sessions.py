"""Signing in to the console: passwords, throttling, and the sessions that cookies stand for."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlmodel import Session

from api import audit, second_factor
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


@dataclass(frozen=True)
class Proof:
    """What somebody shows to be who they say: a password, and a code where one is asked for."""

    password: str
    code: str = ""


@dataclass(frozen=True)
class Myself:
    """Whoever is signed in, by this secret, from this address."""

    who: Principal
    secret: str
    address: str

    @property
    def session(self) -> str:
        """What the tables know the session at hand by."""
        return token_hash(self.secret)


async def sign_in(context: Context, name: str, given: Proof, address: str) -> str:
    """The secret of a new session; raises Problem for a wrong proof, or too many of them."""
    attempt = await _suspected(context, name, address)
    user = await context.read(lambda session: users.find(session, name))
    proved = await _is_proved(context, user, given)
    if user is None or not proved or not _may_sign_in(context, user):
        stranger = Principal(name, "", "")
        await audit.note(context, stranger, "sign_in", "refused", "", address)
        raise Problem(401, "wrong_password", "no such name, password and code")
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


async def _is_proved(context: Context, user: User | None, given: Proof) -> bool:
    """Whether that is the password, and a code seen for the first time where one is asked for."""
    right = await asyncio.to_thread(_is_right, user, given.password)
    if user is None or not right or not user.totp_secret:
        return right
    step, name = second_factor.step_of(user.totp_secret, given.code), user.name
    # A wrong code costs no write: it takes as long as a wrong password, and tells as little.
    return step > 0 and await context.write(lambda session: users.take_step(session, name, step))


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


def lacks_second_factor(context: Context, found: SignedIn) -> bool:
    """Whether somebody must set a second factor up before anything else; sandbox logins can't."""
    must = found.role in context.settings.second_factor_roles and not found.is_sandbox
    return must and not found.has_second_factor


async def sign_out(context: Context, secret: str) -> None:
    """The session is over."""
    await context.write(lambda session: sessions.end(session, token_hash(secret)))


async def change_password(context: Context, me: Myself, given: Proof, wanted: str) -> None:
    """A new password; only the session at hand goes on.

    Raises Problem: a wrong proof, which counts like one at the door, or a weak new password.
    """
    weak = await asyncio.to_thread(weakness, wanted, me.who.name)
    if weak:
        raise Problem(422, weak, "a password that would be guessed")
    password_hash = await asyncio.to_thread(hashed, wanted)

    def change(session: Session, user: User) -> None:
        users.set_password(session, user, password_hash, kept=me.session)

    await _prove_and(context, me, given, "change_password", change)


async def begin_second_factor(
    context: Context, me: Myself, given: Proof, secret: str, code: str
) -> None:
    """Ask for this secret's codes from now on; `code` shows that its app is there.

    Only the session at hand goes on. Raises Problem for a wrong proof or code.
    """
    step = second_factor.step_of(secret, code) if second_factor.is_secret(secret) else 0
    if not step:
        raise Problem(422, "wrong_code", "not the code that the app shows now")

    def change(session: Session, user: User) -> None:
        users.set_second_factor(session, user, secret, step, kept=me.session)

    await _prove_and(context, me, given, "second_factor_on", change)


async def end_second_factor(context: Context, me: Myself, given: Proof) -> None:
    """Ask for no code any more; raises Problem for a wrong proof."""

    def change(session: Session, user: User) -> None:
        users.set_second_factor(session, user, "", kept=me.session)

    await _prove_and(context, me, given, "second_factor_off", change)


async def _prove_and(
    context: Context, me: Myself, given: Proof, action: str, change: Callable[[Session, User], None]
) -> None:
    user = await context.read(lambda session: users.find(session, me.who.name))
    if user is None or user.is_sandbox:
        raise Problem(409, "sandbox_login", "a sandbox login is everybody's")
    attempt = await _suspected(context, user.name, me.address)
    if not await _is_proved(context, user, given):
        await audit.note(context, me.who, action, "refused", "", me.address)
        raise Problem(401, "wrong_proof", "not the password, or not a fresh code")

    def both(session: Session) -> None:
        sessions.cleared(session, attempt)
        change(session, session.get_one(User, me.who.name))

    await context.write(both)
    await audit.note(context, me.who, action, "done", "", me.address)


async def sign_out_others(context: Context, me: Myself) -> None:
    """Only the session at hand goes on."""
    await context.write(lambda session: sessions.end_all(session, me.who.name, but=me.session))
    await audit.note(context, me.who, "sign_out_others", "done", "", me.address)


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
