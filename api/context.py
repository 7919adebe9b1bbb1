"""What every route has at hand."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from sqlmodel import Session
from temporalio.client import Client

from api.guesses import Guesses
from db.engine import Database
from settings import Settings
from wechat.config import Config

T = TypeVar("T")


NOTIFICATIONS_MAX = 256
"""Temporal takes some 300 signals a second: more in hand would be answered too late."""
REMEMBERED_MAX = 20_000


class Full(Exception):
    """As many are in hand as may be."""


class Slots:
    """How many things may be in hand at once."""

    def __init__(self, most: int) -> None:
        self._free = most

    @property
    def is_full(self) -> bool:
        """Whether no more may be taken."""
        return self._free <= 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """In hand until the block is left; raises Full."""
        if self.is_full:
            raise Full
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class Remembered:
    """The last facts that are held: as many as memory has room for."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._facts: OrderedDict[Hashable, None] = OrderedDict()

    def __contains__(self, fact: Hashable) -> bool:
        """Whether this very fact came before."""
        return fact in self._facts

    def add(self, fact: Hashable) -> None:
        """Keep it, and let the oldest go."""
        self._facts[fact] = None
        if len(self._facts) > self._most:
            self._facts.popitem(last=False)


@dataclass(frozen=True)
class Context:
    """One application's settings and connections."""

    settings: Settings
    database: Database
    client: Client
    wechat: Config
    guesses: Guesses = field(default_factory=Guesses)
    notifications: Slots = field(default_factory=lambda: Slots(NOTIFICATIONS_MAX))
    held: Remembered = field(default_factory=lambda: Remembered(REMEMBERED_MAX))

    async def read(self, look: Callable[[Session], T]) -> T:
        """What `look` sees in the tables."""

        def run() -> T:
            with self.database.read() as session:
                return look(session)

        return await asyncio.to_thread(run)

    async def each(self, change: Callable[[Session], T]) -> T:
        """Do `change`, each statement of which is a transaction."""

        def run() -> T:
            with self.database.each() as session:
                return change(session)

        return await asyncio.to_thread(run)

    async def write(self, change: Callable[[Session], T]) -> T:
        """Do `change` in one transaction."""

        def run() -> T:
            with self.database.write() as session:
                return change(session)

        return await asyncio.to_thread(run)


async def context_of(request: Request) -> Context:
    """The context of the application; async, for FastAPI sends plain functions to a thread."""
    context: Context = request.app.state.context
    return context


Here = Annotated[Context, Depends(context_of)]


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else ""
