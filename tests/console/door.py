"""Signing in over plain HTTP, as a browser does it; who may, and what is written down of it."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
from sqlmodel import col, select

from db.engine import Database
from db.tables import AuditEntry
from tools.stack import Stack

ROOT = Path(__file__).parents[2]
PASSWORD = "kettle under seven lamps"
TOKEN = re.compile(r'name="token" value="([^"]+)"')


class Visit:
    """One browser without scripts."""

    def __init__(self, stack: Stack) -> None:
        self.http = httpx.Client(base_url=f"{stack.base_url}/console", timeout=30)

    def form(self) -> str:
        """Open the form; its token."""
        found = TOKEN.search(self.http.get("/sign-in").text)
        assert found
        return found[1]

    def sign_in(
        self,
        name: str,
        password: str = "sandbox",
        back: str = "/",
        *,
        code: str = "",
        **headers: str,
    ) -> httpx.Response:
        """Fill in the form and send it."""
        said = {"name": name, "password": password, "code": code, "back": back}
        said["token"] = self.form()
        return self.http.post("/sign-in", data=said, headers=headers)

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path)

    def close(self) -> None:
        self.http.close()


def users(stack: Stack, *arguments: str, given: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """`python -m api.users …`."""
    return subprocess.run(
        [sys.executable, "-m", "api.users", *arguments],
        cwd=ROOT,
        env=stack.environment,
        input=f"{given}\n",
        capture_output=True,
        text=True,
        check=False,
    )


def written(tables: Database, actor: str) -> list[tuple[str, str]]:
    """What the audit trail says of somebody: action and outcome."""
    with tables.read() as session:
        query = select(AuditEntry).where(col(AuditEntry.actor) == actor)
        rows = session.exec(query.order_by(col(AuditEntry.id)))
        return [(row.action, row.outcome) for row in rows]
