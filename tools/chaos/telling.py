"""Tells all stories, a few dozen at a time, and keeps how each went."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Final

from tools.chaos import stories
from tools.chaos.evidence import Told
from tools.chaos.hand import Hand, OutOfPlot, World
from tools.chaos.stories import Story

AT_ONCE: Final = 48


@dataclass
class Teller:
    """The stories of one seed: the same seed tells the same ones."""

    world: World
    seed: int
    orders: int
    told: list[Told] = field(default_factory=list)
    begun: int = 0

    async def tell_all(self) -> None:
        """Return when every story has ended; cancelled, keep those that have not as they are."""
        turns = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as running:
            for serial in range(self.orders):
                await turns.acquire()
                self.begun += 1
                task = running.create_task(self._tell(serial))
                task.add_done_callback(lambda _: turns.release())

    async def _tell(self, serial: int) -> None:
        dice = random.Random(f"{self.seed} {serial}")
        story = stories.chosen(dice)
        hand = Hand(self.world, f"c{self.seed}-{serial:06d}", dice)
        self.told.append(await tell(hand, story))


async def tell(hand: Hand, story: Story) -> Told:
    """How one story went; cancelled, it came to no end."""
    ending, problem = None, ""
    try:
        ending = await story(hand)
    except asyncio.CancelledError:
        problem = "it waits for something that never comes"
    except OutOfPlot as error:
        problem = str(error)
    except Exception as error:
        problem = repr(error)
    return Told(hand.no, story.__name__, hand.diary, ending, problem)
