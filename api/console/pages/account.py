"""One's own account: password, second factor, and where one is signed in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import segno
from fastapi import Depends
from nicegui import ui
from sqlmodel import Session

from api import second_factor, sessions
from api.console.frame import frame
from api.console.menu import ACCOUNT
from api.console.visitor import Entrance, Visitor, now
from api.console.widgets.basic import card, moment, tag
from api.passwords import LENGTH_MAX, LENGTH_MIN
from db import sessions as kept
from db import users
from db.tables import SessionRow
from settings import token_hash

GOOD = frozenset({"changed", "factor_on", "factor_off", "others_out"})
BAD = frozenset(
    {
        "stale",
        "differ",
        "wrong_proof",
        "wrong_code",
        "factor_needed",
        "too_many_failures",
        "too_short",
        "too_long",
        "too_easy",
        "sandbox_login",
    }
)
FILLED = {"now": "current-password", "new": "new-password", "again": "new-password"}
"""Name of a field → what a password manager should fill in."""


@dataclass(frozen=True)
class Mine:
    """What the page shows."""

    has_factor: bool
    sessions: Sequence[SessionRow]


@ui.page(ACCOUNT.path)
async def account_page(
    visitor: Annotated[Visitor, Depends(Entrance(ACCOUNT))], said: str = ""
) -> None:
    """The account of whoever looks."""
    mine = await visitor.read(partial(_mine, visitor.principal.name))
    with frame(visitor, ACCOUNT):
        if said in GOOD:
            tag("p", visitor.t(f"account.{said}"), classes="good").props("role=status")
        elif said in BAD:
            tag("p", visitor.t(f"account.{said}"), classes="problem").props("role=alert")
        with tag("div", classes="halves"):
            with card(visitor.t("account.password")), _form(visitor, "password", "change"):
                for name in FILLED:
                    _password(visitor, name)
                tag("p", visitor.t("account.hint", least=LENGTH_MIN), classes="hint")
                if mine.has_factor:
                    _code(visitor)
            with card(visitor.t("account.factor")):
                if mine.has_factor:
                    _factor(visitor)
                else:
                    _new_factor(visitor)
        with card(visitor.t("account.sessions")):
            _sessions(visitor, mine.sessions)


def _mine(name: str, session: Session) -> Mine:
    user = users.find(session, name)
    return Mine(bool(user and user.totp_secret), kept.of(session, name, now()))


def _factor(visitor: Visitor) -> None:
    tag("p", visitor.t("account.factor_is_on"))
    with _form(visitor, "no-second-factor", "factor_end", look="plain-button"):
        _password(visitor, "now", "factor")
        _code(visitor, "factor")


def _new_factor(visitor: Visitor) -> None:
    secret = second_factor.fresh_secret()
    tag("p", visitor.t("account.factor_about"), classes="lead")
    code = segno.make(second_factor.address(secret, visitor.principal.name))
    ui.html(code.svg_inline(scale=4, light="#fff"), sanitize=False)
    tag("code", " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)))
    with _form(visitor, "second-factor", "factor_begin"):
        _hidden("secret", secret)
        _password(visitor, "now", "factor")
        _code(visitor, "factor")


def _sessions(visitor: Visitor, mine: Sequence[SessionRow]) -> None:
    here = token_hash(visitor.secret)
    with tag("table", classes="sum sessions"):
        with tag("thead"), tag("tr"):
            for column in ("since", "address", "until"):
                tag("th", visitor.t(f"account.{column}")).props('scope="col"')
        with tag("tbody"):
            for one in mine:
                with tag("tr"):
                    with tag("td"):
                        moment(visitor, one.created_at.isoformat())
                        if one.token_hash == here:
                            tag("span", visitor.t("account.here"), classes="badge tone-green")
                    tag("td", one.address or "–")
                    with tag("td"):
                        moment(visitor, one.expires_at.isoformat())
    if len(mine) > 1:
        with _form(visitor, "sign-out-others", "sign_out_others", look="plain-button"):
            pass


def _password(visitor: Visitor, name: str, of: str = "password") -> None:
    _label(visitor, name, of)
    box = tag("input").props(f"id={of}-{name} name={name} type=password required")
    box.props(f"autocomplete={FILLED[name]} maxlength={LENGTH_MAX}")


def _code(visitor: Visitor, of: str = "password") -> None:
    _label(visitor, "code", of)
    box = tag("input").props(f"id={of}-code name=code inputmode=numeric required")
    box.props("autocomplete=one-time-code maxlength=64")


def _label(visitor: Visitor, name: str, of: str) -> None:
    tag("label", visitor.t(f"account.{name}")).props(f"for={of}-{name}")


def _hidden(name: str, value: str) -> None:
    tag("input").props(f"type=hidden name={name}").props["value"] = value


@contextmanager
def _form(visitor: Visitor, action: str, button: str, *, look: str = "") -> Iterator[None]:
    """A plain form; its fields go inside."""
    path = f"{visitor.prefix}{ACCOUNT.path}/{action}"
    with tag("form", classes="form").props(f'method="post" action="{path}"'):
        _hidden("token", sessions.csrf_token(visitor.secret))
        yield
        tag("button", visitor.t(f"account.{button}"), classes=look).props("type=submit")
