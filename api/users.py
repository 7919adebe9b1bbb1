"""`python -m api.users`: who may sign in to the console.

add NAME ROLE [--merchant M], password NAME, no-second-factor NAME, disable NAME, enable NAME, list
"""

import argparse
import getpass
import secrets
import sys
from datetime import UTC, datetime

from sqlmodel import Session

import settings
from api.passwords import LENGTH_MAX, LENGTH_MIN, weakness
from api.sessions import hashed
from db import users
from db.engine import Database
from db.tables import User
from settings import SettingsError

ROLES = ("merchant", "platform", "finance", "auditor", "admin")
NAME_MAX = 64
WEAKNESSES = {
    "too_short": f"a password has at least {LENGTH_MIN} characters",
    "too_long": f"a password has at most {LENGTH_MAX} characters",
    "too_easy": "that password would be guessed: it is a common one, or made like one",
}


class Unusable(Exception):
    """What was asked for makes no sense; the text is one line."""


def main(arguments: list[str]) -> int:
    """0 when it is done; 1 with one line on what is wrong."""
    asked = _parser().parse_args(arguments)
    try:
        database = Database(settings.database_url())
    except SettingsError as error:
        print(f"users: {error}", file=sys.stderr)
        return 2
    try:
        with database.write() as session:
            print(_ACTIONS[asked.action](session, asked))
    except Unusable as unusable:
        print(f"users: {unusable}", file=sys.stderr)
        return 1
    finally:
        database.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api.users", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="let somebody sign in")
    add.add_argument("name")
    add.add_argument("role", choices=ROLES)
    add.add_argument("--merchant", default="", help="the merchant_id of a merchant's clerk")
    for action, about in (
        ("password", "set a new password"),
        ("no-second-factor", "let somebody in without a code, whose phone is lost"),
        ("disable", "sign somebody out and keep them out"),
        ("enable", "let somebody in again"),
    ):
        actions.add_parser(action, help=about).add_argument("name")
    actions.add_parser("list", help="everybody, with role and state")
    return parser


def _add(session: Session, asked: argparse.Namespace) -> str:
    if not 0 < len(asked.name) <= NAME_MAX or not asked.name.isprintable():
        raise Unusable(f"a name has 1 to {NAME_MAX} printable characters")
    if (asked.role == "merchant") != bool(asked.merchant):
        raise Unusable("a merchant's clerk, and nobody else, needs --merchant")
    password, said = _password(asked.name)
    user = User(
        name=asked.name,
        role=asked.role,
        merchant_id=asked.merchant,
        password_hash=hashed(password),
        created_at=datetime.now(UTC),
    )
    try:
        users.add(session, user)
    except users.UserExists:
        raise Unusable(f"{asked.name} is a user already") from None
    return f"{asked.name} may sign in as {asked.role}{said}"


def _set_password(session: Session, asked: argparse.Namespace) -> str:
    user = _known(session, asked.name)
    password, said = _password(user.name)
    users.set_password(session, user, hashed(password))
    return f"{asked.name} has a new password{said}"


def _end_second_factor(session: Session, asked: argparse.Namespace) -> str:
    users.set_second_factor(session, _known(session, asked.name), "")
    return f"{asked.name} needs no code, and is signed out"


def _disable(session: Session, asked: argparse.Namespace) -> str:
    users.set_disabled(session, _known(session, asked.name), datetime.now(UTC))
    return f"{asked.name} is signed out and may not sign in"


def _enable(session: Session, asked: argparse.Namespace) -> str:
    users.set_disabled(session, _known(session, asked.name), None)
    return f"{asked.name} may sign in again"


def _list(session: Session, _: argparse.Namespace) -> str:
    lines = [
        f"{user.name}\t{user.role}\t{user.merchant_id or '-'}\t"
        f"{'disabled' if user.disabled_at else 'sandbox' if user.is_sandbox else 'active'}"
        for user in users.everybody(session)
    ]
    return "\n".join(lines) or "nobody"


_ACTIONS = {
    "add": _add,
    "password": _set_password,
    "no-second-factor": _end_second_factor,
    "disable": _disable,
    "enable": _enable,
    "list": _list,
}


def _known(session: Session, name: str) -> User:
    user = users.find(session, name)
    if user is None:
        raise Unusable(f"no user {name}")
    return user


def _password(name: str) -> tuple[str, str]:
    """Typed twice at a terminal, one line of a pipe, or made up and said once."""
    if not sys.stdin.isatty():
        given = sys.stdin.readline().rstrip("\n")
    else:
        given = getpass.getpass("Password (empty: one is made up): ")
        if given and given != getpass.getpass("Once more: "):
            raise Unusable("the two passwords differ")
    if not given:
        made_up = secrets.token_urlsafe(15)
        return made_up, f"; the password is {made_up}"
    if weak := weakness(given, name):
        raise Unusable(WEAKNESSES[weak])
    return given, ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
