"""What goes wrong: the table of faults, and which one strikes a call or a notification.

A fault is armed once or with a probability. The dice are a hash of seed, fault, number and how
often that number was seen, so that a run repeats whatever order its calls arrive in.
"""

import hashlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from simulator.messages import Fields
from simulator.notices import PAY, REFUND
from simulator.world import World

CALLS: Final = (
    "unifiedorder", "orderquery", "closeorder", "refund", "refundquery", "downloadbill",
    "downloadfundflow",
)  # fmt: skip
NOTICES: Final = (PAY, REFUND)
HEADER: Final = "Wechatpay-Negative-Test"
HANG_SECONDS: Final = 30.0


class Answer(StrEnum):
    """How the reply to a call looks on the wire."""

    NORMAL = "normal"
    ERROR = "signed business error"
    FAIL = "unsigned return_code FAIL"
    RESET = "connection reset"
    HANG = "no reply"
    EMPTY = "empty body"
    MALFORMED = "broken XML"
    GARBAGE = "random bytes"
    DRIP = "one byte at a time"
    BAD_SIGN = "wrong signature"


@dataclass(frozen=True)
class Fault:
    """One way to go wrong. `done`: the call took effect all the same. `passing`: a caller who
    follows the documentation gets through without a person."""

    says: str
    calls: tuple[str, ...] = CALLS
    done: bool = False
    answer: Answer = Answer.NORMAL
    err_code: str = ""
    ending: str = ""
    passing: bool = True


_REFUND = ("refund",)
_SIGNED = CALLS[:5]
_BILLS = CALLS[5:]

FAULTS: Final[Mapping[str, Fault]] = {
    "reply_lost": Fault("done, then the connection is reset", CALLS, True, Answer.RESET),
    "reset": Fault("connection reset, nothing done", CALLS, False, Answer.RESET),
    "timeout_done": Fault("done, but no reply ever comes", CALLS, True, Answer.HANG),
    "timeout_not_done": Fault("nothing done and no reply", CALLS, False, Answer.HANG),
    "system_error_done": Fault(
        "SYSTEMERROR though it was done", _SIGNED, True, Answer.ERROR, "SYSTEMERROR"
    ),
    "system_error": Fault("SYSTEMERROR, nothing done", _SIGNED, False, Answer.ERROR, "SYSTEMERROR"),
    "empty": Fault("done; the reply is empty", CALLS, True, Answer.EMPTY),
    "malformed": Fault("done; the reply is broken XML", CALLS, True, Answer.MALFORMED),
    "garbage": Fault("done; the reply is random bytes", CALLS, True, Answer.GARBAGE),
    "slow_drip": Fault("done; the reply drips, a byte a second", CALLS, True, Answer.DRIP),
    "bad_signature": Fault("done; the reply's sign is wrong", _SIGNED, True, Answer.BAD_SIGN),
    "return_fail": Fault("unsigned return_code FAIL, nothing done", _SIGNED, False, Answer.FAIL),
    "need_retry": Fault(
        "BIZERR_NEED_RETRY, nothing done", _REFUND, False, Answer.ERROR, "BIZERR_NEED_RETRY"
    ),
    "not_enough": Fault("NOTENOUGH, nothing done", _REFUND, False, Answer.ERROR, "NOTENOUGH"),
    "frequency_limited": Fault(
        "FREQUENCY_LIMITED, nothing done", _REFUND, False, Answer.ERROR, "FREQUENCY_LIMITED"
    ),
    "too_many_bad_calls": Fault(
        "INVALID_REQ_TOO_MUCH, nothing done", _REFUND, False, Answer.ERROR, "INVALID_REQ_TOO_MUCH"
    ),
    "order_not_ready": Fault(
        "ORDER_NOT_READY, nothing done", _REFUND, False, Answer.ERROR, "ORDER_NOT_READY"
    ),
    "refuse": Fault(
        "the err_code given with the fault, nothing done", _SIGNED, False, Answer.ERROR,
        passing=False,
    ),
    "refund_ends_change": Fault(
        "accepted, then CHANGE: the payer's account cannot take it", _REFUND, True,
        ending="CHANGE", passing=False,
    ),
    "refund_ends_close": Fault(
        "accepted, then REFUNDCLOSE: failed, the money stayed", _REFUND, True,
        ending="REFUNDCLOSE", passing=False,
    ),
    "refund_slow": Fault(
        "accepted, PROCESSING for `seconds` (default one day)", _REFUND, True, ending="SUCCESS"
    ),
    "bill_creating": Fault(
        "the bill is still being made", _BILLS, False, Answer.ERROR, "Bill Creating"
    ),
    "notify_lost": Fault("never sent", NOTICES),
    "notify_delayed": Fault("sent `seconds` later (default 60)", NOTICES),
    "notify_reordered": Fault("held back 20 s, so that later ones overtake it", NOTICES),
    "notify_duplicate": Fault("two copies at once from two connections", NOTICES),
    "notify_repeated": Fault("sent again 15 s after a good answer", NOTICES),
    "notify_answer_lost": Fault("the answer is lost; sent again on schedule", NOTICES),
    "notify_forged": Fault("a forged copy comes first, then the true one", NOTICES),
    "notify_wrong_key": Fault("this attempt is signed with a stranger's key", NOTICES),
    "notify_previous_key": Fault("this attempt is signed with the previous API key", NOTICES),
    "notify_wrong_amount": Fault(
        "a truly signed copy with 1 fen more comes first", NOTICES, passing=False
    ),
    "notify_foreign": Fault("this attempt is for another mch_id", NOTICES),
    "notify_junk": Fault("this attempt is not XML", NOTICES),
    "notify_wrong_url": Fault("sent to the order's pay notify_url", (REFUND,)),
    "notify_early": Fault(
        "the refund ends and notifies before its call is answered", _REFUND, True
    ),
}  # fmt: skip

AMOUNTS: Final[Mapping[tuple[str, int], str]] = {
    ("refund", 9_900_001): "reply_lost",
    ("refund", 9_900_002): "timeout_not_done",
    ("refund", 9_900_003): "system_error_done",
    ("refund", 9_900_004): "system_error",
    ("refund", 9_900_005): "not_enough",
    ("refund", 9_900_006): "frequency_limited",
    ("refund", 9_900_007): "refund_ends_change",
    ("refund", 9_900_008): "refund_ends_close",
    ("refund", 9_900_009): "bad_signature",
    ("unifiedorder", 9_800_001): "reply_lost",
    ("unifiedorder", 9_800_002): "timeout_not_done",
    ("unifiedorder", 9_800_003): "system_error_done",
    ("unifiedorder", 9_800_004): "system_error",
}
"""(call, fen) → the fault that strikes the first call of a number with that amount."""

_BY_AMOUNT = {(call, str(fen)): name for (call, fen), name in AMOUNTS.items()}


@dataclass(frozen=True)
class Rule:
    """An armed fault. `call` and `number` "" mean any; `times_left` None means for good."""

    fault: str
    call: str = ""
    number: str = ""
    times_left: int | None = 1
    probability: float = 1.0
    seed: int = 0
    seconds: float | None = None
    err_code: str = ""
    id: int = 0


@dataclass(frozen=True)
class Strike:
    """The fault that strikes now, with what its rule says about it."""

    name: str
    seconds: float | None = None
    err_code: str = ""

    @property
    def fault(self) -> Fault:
        """Its line in the table."""
        return FAULTS[self.name]


def check(rule: Rule, previous_api_key: str) -> None:
    """Raises ValueError, in one line, for a rule that could never strike."""
    if rule.fault != "any" and rule.fault not in FAULTS:
        raise ValueError(f"unknown fault {rule.fault!r}; GET /_control/faults lists them")
    if rule.call and rule.call not in CALLS + NOTICES:
        raise ValueError(f"unknown call {rule.call!r}; one of {', '.join(CALLS + NOTICES)}")
    if rule.fault != "any" and rule.call and rule.call not in FAULTS[rule.fault].calls:
        raise ValueError(f"{rule.fault} does not fit {rule.call}")
    if rule.fault == "refuse" and not rule.err_code:
        raise ValueError("refuse needs an err_code")
    if rule.fault == "notify_previous_key" and not previous_api_key:
        raise ValueError("notify_previous_key needs WECHAT_PREVIOUS_API_KEY to be set")


def arm(world: World, rule: Rule) -> Rule:
    """Remember a rule; raises ValueError."""
    check(rule, world.settings.previous_api_key)
    row = {name: value for name, value in vars(rule).items() if name != "id"}
    return Rule(**{**row, "id": world.store.insert("faults", row)})


def armed(world: World) -> list[Rule]:
    """The rules that may still strike, oldest first."""
    return [_rule(row) for row in world.store.rows("SELECT * FROM faults ORDER BY id")]


def clear(world: World) -> None:
    """Disarm everything."""
    world.store.execute("DELETE FROM faults")


def strike(world: World, call: str, fields: Fields, header: str = "") -> Strike | None:
    """What strikes this call now: a header's wish first, then an amount's, then the rules."""
    if header in FAULTS and call in FAULTS[header].calls:
        return Strike(header)
    number = fields.get("out_refund_no") or fields.get("out_trade_no") or ""
    by_amount = _by_amount(world, call, number, fields)
    if by_amount is not None:
        return by_amount
    names = {fields.get(name, "") for name in ("out_refund_no", "out_trade_no", "transaction_id")}
    for rule in armed(world):
        struck = _try(world, rule, call, number, names)
        if struck is not None:
            return struck
    return None


def _by_amount(world: World, call: str, number: str, fields: Fields) -> Strike | None:
    amount = fields.get("refund_fee" if call == "refund" else "total_fee", "")
    name = _BY_AMOUNT.get((call, amount))
    if name is None or _draw(world, f"amount {call} {number}") > 1:
        return None
    return Strike(name)


def _try(world: World, rule: Rule, call: str, number: str, names: set[str]) -> Strike | None:
    if rule.call not in ("", call) or (rule.number and rule.number not in names):
        return None
    if rule.fault != "any" and call not in FAULTS[rule.fault].calls:
        return None
    name = rule.fault
    if rule.probability < 1 or name == "any":
        dice = _dice(world, rule, call, number)
        if dice[0] >= rule.probability:
            return None
        name = _passing(call, dice[1]) if name == "any" else name
    _spend(world, rule)
    return Strike(name, rule.seconds, rule.err_code)


def _dice(world: World, rule: Rule, call: str, number: str) -> tuple[float, int]:
    nth = _draw(world, f"rule {rule.id} {call} {number}")
    text = f"{rule.seed} {rule.fault} {call} {number} {nth}"
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48, int.from_bytes(digest[6:12])


def _passing(call: str, drawn: int) -> str:
    names = [
        name
        for name, fault in FAULTS.items()
        if fault.passing and call in fault.calls and name != "notify_previous_key"
    ]
    return names[drawn % len(names)]


def _draw(world: World, name: str) -> int:
    world.store.execute(
        "INSERT INTO draws VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET drawn = drawn + 1", name
    )
    row = world.store.row("SELECT drawn FROM draws WHERE name = ?", name)
    return int(row["drawn"]) if row else 1


def _spend(world: World, rule: Rule) -> None:
    if rule.times_left is None:
        return
    if rule.times_left <= 1:
        world.store.execute("DELETE FROM faults WHERE id = ?", rule.id)
    else:
        world.store.execute("UPDATE faults SET times_left = times_left - 1 WHERE id = ?", rule.id)


def _rule(row: sqlite3.Row) -> Rule:
    return Rule(**dict(row))
