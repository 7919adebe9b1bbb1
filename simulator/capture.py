"""The log of what went over the wire, for the viewer; bounded."""

from dataclasses import dataclass

from simulator.clock import rfc3339
from simulator.world import World

EXCHANGES_MAX = 5_000
TEXT_MAX = 20_000


@dataclass(frozen=True)
class Exchange:
    """One request and its answer; `direction` is `in` (to WeChat Pay) or `out` (to the shop)."""

    direction: str
    call: str
    url: str
    number: str
    request: str
    response: str
    signature: str
    verdict: str
    fault: str = ""
    attempt: int = 0
    took_ms: int = 0


def keep(world: World, exchange: Exchange) -> int:
    """Write one exchange down and drop the oldest beyond the bound; answers its id."""
    row = dict(vars(exchange))
    row["request"], row["response"] = exchange.request[:TEXT_MAX], exchange.response[:TEXT_MAX]
    with world.store.transaction():
        number = world.store.insert("exchanges", {"at": world.clock.now(), **row})
        if number % 100 == 0:
            world.store.execute("DELETE FROM exchanges WHERE id <= ?", number - EXCHANGES_MAX)
    return number


def after(world: World, seen: int, limit: int = 200) -> list[dict[str, object]]:
    """Exchanges newer than `seen`, the latest `limit` of them, oldest first."""
    rows = world.store.rows(
        "SELECT * FROM (SELECT * FROM exchanges WHERE id > ? ORDER BY id DESC LIMIT ?) ORDER BY id",
        seen,
        limit,
    )
    return [{**dict(row), "at": rfc3339(row["at"])} for row in rows]


def one(world: World, number: int) -> Exchange | None:
    """One exchange as it was."""
    row = world.store.row("SELECT * FROM exchanges WHERE id = ?", number)
    if row is None:
        return None
    return Exchange(**{name: row[name] for name in Exchange.__dataclass_fields__})
