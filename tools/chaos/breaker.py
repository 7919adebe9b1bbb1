"""Breaks the product while it works: kills, freezes, and connections that fail, by the dice."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import psycopg

from tools import postgres
from tools.chaos.besieged import PARTS, Besieged
from tools.supervisor import PartFailed, StackError

DOWN_S: Final = (0.0, 3.0)
FROZEN_S: Final = (0.3, 6.0)
SEVERED_S: Final = (0.1, 4.0)
DELAY_S: Final = (0.02, 0.4)
LOOK_EVERY_S: Final = 1.0
FALLS_MAX: Final = 30
"""How often parts may give up while everything is started again."""


@dataclass
class Breaker:
    """Strikes one product; call it from the thread that started its parts."""

    besieged: Besieged
    dice: random.Random
    in_loop: Callable[[Callable[[], None]], None]
    """Runs a function in the loop where the proxies live."""
    say: Callable[[str], None]
    done: "Counter[str]" = field(default_factory=Counter)
    """What was done, by kind."""
    _down: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """How many processes were ended by SIGKILL."""
        return sum(count for kind, count in self.done.items() if kind.startswith("kill "))

    def strike(self) -> None:
        """One or two things go wrong at once, and are mended after a while."""
        ways = self.dice.sample((self._killed, self._frozen, self._severed), k=3)
        with contextlib.ExitStack() as mended:
            for way in ways[: self.dice.choice((1, 1, 2))]:
                mended.enter_context(way())

    def without_temporal(self, seconds: float) -> None:
        """Temporal is away for long; what else falls meanwhile is started again."""
        self._kill("temporal")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)
            self.mend(but="temporal")
        self._tell(f"temporal away for {seconds:.0f} s")

    def mend(self, but: str = "") -> None:
        """Start what is down, and whatever gives up meanwhile, as a process manager would."""
        supervisor = self.besieged.supervisor
        for _ in range(FALLS_MAX):
            try:
                supervisor.check()
                for name in [name for name in self._down if name != but]:
                    supervisor.start(name)
                    self._down.remove(name)
                return
            except PartFailed as failed:
                self._fell(failed)
        raise StackError(f"no way to start everything again: {self._down} down")

    def _fell(self, failed: PartFailed) -> None:
        self._tell(f"fell by itself: {failed.name}")
        self.besieged.supervisor.kill(failed.name)
        if failed.name not in self._down:
            self._down.append(failed.name)
            self._down.sort(key=PARTS.index)

    # ---- what goes wrong

    @contextlib.contextmanager
    def _killed(self) -> Iterator[None]:
        how_many = self.dice.choices((1, 2, 3), weights=(7, 2, 1))[0]
        for name in sorted(self.dice.sample(PARTS, how_many), key=PARTS.index):
            self._kill(name)
        time.sleep(self.dice.uniform(*DOWN_S))
        yield
        self.mend()

    @contextlib.contextmanager
    def _frozen(self) -> Iterator[None]:
        name = self.dice.choice([part for part in PARTS if part not in self._down])
        self._tell(f"freeze {name}")
        self.besieged.supervisor.pause(name)
        time.sleep(self.dice.uniform(*FROZEN_S))
        self.besieged.supervisor.resume(name)
        yield

    @contextlib.contextmanager
    def _severed(self) -> Iterator[None]:
        proxy = self.dice.choice(self.besieged.proxies)
        delay_s = self.dice.uniform(*DELAY_S)
        hurts: dict[str, Callable[[], None]] = {
            "cut": proxy.cut,
            "slow": lambda: proxy.slow_down(delay_s),
            "hold": proxy.hold_up,
        }
        how = self.dice.choice(list(hurts))
        self._tell(f"{how} {proxy.name}")
        self.in_loop(hurts[how])
        time.sleep(self.dice.uniform(*SEVERED_S))
        self.in_loop(proxy.heal)
        yield

    def _kill(self, name: str) -> None:
        if name == "database" and self.dice.random() < 0.5 and self._kill_backend():
            return
        self._tell(f"kill {name}")
        self.besieged.supervisor.kill(name)
        self._down.append(name)

    def _kill_backend(self) -> bool:
        """One of PostgreSQL's own processes: the server ends all the others, and recovers."""
        try:
            found = _backends(self.besieged.database_port)
        except psycopg.OperationalError:
            return False
        if not found:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.dice.choice(found), signal.SIGKILL)
        self._tell("kill database backend")
        return True

    def _tell(self, kind: str) -> None:
        self.done[kind] += 1
        self.say(kind)


def _backends(port: int) -> list[int]:
    """The process ids of PostgreSQL's halves of all connections."""
    with psycopg.connect(postgres.address(port)) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return [row[0] for row in rows]
