"""One's own account: a new password, and where one is signed in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends
from nicegui import ui

from api import sessions
from api.console.frame import frame
from api.console.menu import ACCOUNT
from api.console.visitor import Entrance, Visitor, now
from api.console.widgets.basic import card, moment, tag
from api.passwords import LENGTH_MAX, LENGTH_MIN
from db import sessions as kept
from db.tables import SessionRow
from settings import token_hash

GOOD = frozenset({"changed", "others_out"})
BAD = frozenset(
    {
        "stale",
        "differ",
        "wrong_password",
        "too_many_failures",
        "too_short",
        "too_long",
        "too_easy",
        "sandbox_login",
    }
)
FIELDS = {"now": "current-password", "new": "new-password", "again": "new-password"}
"""Name of a field → what a password manager should fill in."""


@ui.page(ACCOUNT.path)
async def account_page(
    visitor: Annotated[Visitor, Depends(Entrance(ACCOUNT))], said: str = ""
) -> None:
    """The account of whoever looks."""
    mine = await visitor.read(lambda session: kept.of(session, visitor.principal.name, now()))
    with frame(visitor, ACCOUNT):
        if said in GOOD:
            tag("p", visitor.t(f"account.{said}"), classes="good").props("role=status")
        elif said in BAD:
            tag("p", visitor.t(f"account.{said}"), classes="problem").props("role=alert")
        with card(visitor.t("account.password")):
            _password(visitor)
        with card(visitor.t("account.sessions")):
            _sessions(visitor, mine)


def _password(visitor: Visitor) -> None:
    with _form(visitor, "password"):
        for name, filled in FIELDS.items():
            tag("label", visitor.t(f"account.{name}")).props(f"for=account-{name}")
            box = tag("input").props(f"id=account-{name} name={name} type=password required")
            box.props(f"autocomplete={filled} maxlength={LENGTH_MAX}")
        tag("p", visitor.t("account.hint", least=LENGTH_MIN), classes="hint")
        tag("button", visitor.t("account.change")).props("type=submit")


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
        with _form(visitor, "sign-out-others"):
            text = visitor.t("account.sign_out_others")
            tag("button", text, classes="plain-button").props("type=submit")


@contextmanager
def _form(visitor: Visitor, action: str) -> Iterator[None]:
    path = f"{visitor.prefix}{ACCOUNT.path}/{action}"
    with tag("form", classes="form").props(f'method="post" action="{path}"'):
        token = tag("input").props('type="hidden" name="token"')
        token.props["value"] = sessions.csrf_token(visitor.secret)
        yield
