"""Tokens that nobody has: who tries them too often may try nothing new for a while."""

import ipaddress
import time
from collections import OrderedDict
from dataclasses import dataclass

FAILURES_MAX = 20
FORGIVEN_AFTER_S = 60.0
REMEMBERED_MAX = 10_000
"""Addresses, and tokens at an address: memory has a bound whatever comes in."""


@dataclass
class _Tried:
    since: float
    failures: int = 0


class Guesses:
    """Counts failures by address; a token that was right from an address stays right there.

    So whoever shares an address with somebody who guesses goes on working, and a guess that would
    be right is not even looked at while its address is shut.
    """

    def __init__(self) -> None:
        self._tried: OrderedDict[str, _Tried] = OrderedDict()
        self._right: OrderedDict[tuple[str, str], None] = OrderedDict()

    def shut_for_s(self, address: str, token_hash: str) -> int:
        """Seconds until this token may be tried from there; 0 for now."""
        if (address, token_hash) in self._right:
            return 0
        tried = self._tried.get(_network(address))
        if tried is None or tried.failures < FAILURES_MAX:
            return 0
        left = tried.since + FORGIVEN_AFTER_S - time.monotonic()
        return int(left) + 1 if left > 0 else 0

    def wrong(self, address: str) -> bool:
        """Take note of a token that nobody has; True when that shuts the address."""
        network, now = _network(address), time.monotonic()
        tried = self._tried.pop(network, None)
        if tried is None or now >= tried.since + FORGIVEN_AFTER_S:
            tried = _Tried(now)
        tried.failures += 1
        self._tried[network] = tried
        _forget_oldest(self._tried)
        return tried.failures == FAILURES_MAX

    def right(self, address: str, token_hash: str) -> None:
        """Take note of a token that somebody has."""
        self._right[address, token_hash] = None
        self._right.move_to_end((address, token_hash))
        _forget_oldest(self._right)


def _network(address: str) -> str:
    """The address; of IPv6 its network, for one customer has all the addresses of one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False))


def _forget_oldest(kept: "OrderedDict[str, _Tried] | OrderedDict[tuple[str, str], None]") -> None:
    if len(kept) > REMEMBERED_MAX:
        kept.popitem(last=False)
