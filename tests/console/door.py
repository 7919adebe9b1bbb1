"""Signing in over plain HTTP, as a browser does it."""

import re

import httpx

from tools.stack import Stack

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
        self, name: str, password: str = "sandbox", back: str = "/", **headers: str
    ) -> httpx.Response:
        """Fill in the form and send it."""
        said = {"name": name, "password": password, "token": self.form(), "back": back}
        return self.http.post("/sign-in", data=said, headers=headers)

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path)

    def close(self) -> None:
        self.http.close()
