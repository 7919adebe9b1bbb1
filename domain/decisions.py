"""Decisions as people send them, and the second person that some of them need."""

import re
from dataclasses import dataclass

from domain.after_sale import REASON_MAX, Decision, Stage
from domain.allocation import Party
from domain.refusals import Code, Refused
from domain.timeline import Actor

NAME_MAX = 100
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_ROLES = {Stage.MERCHANT: "merchant", Stage.RECEIPT: "merchant", Stage.PLATFORM: "platform"}


@dataclass(frozen=True)
class Settlement:
    """Somebody vouches that the buyer was paid another way."""

    name: str
    out_refund_no: str
    reference: str


def read(message: object, approve: bool) -> tuple[Actor, Decision | Refused]:
    """A decision sent by signal, whatever was sent; one that makes no sense is a refusal."""
    if not isinstance(message, dict):
        return _unnamed(), Refused(Code.INVALID_FIELD, "one JSON object is expected")
    reviewer = message.get("reviewer")
    if not isinstance(reviewer, str) or not reviewer or not _is_writable(reviewer, NAME_MAX):
        return _unnamed(), Refused(Code.INVALID_FIELD, "reviewer: a name is needed", "reviewer")
    try:
        stage = Stage(str(message.get("stage")))
    except ValueError:
        stages = ", ".join(Stage)
        return Actor(reviewer, "reviewer"), Refused(
            Code.INVALID_FIELD, f"stage: one of {stages} is needed", "stage"
        )
    actor = Actor(reviewer, _ROLES[stage])
    said = message.get("responsibility")
    if said is not None and said not in list(Party):
        detail = "responsibility: BUYER or MERCHANT"
        return actor, Refused(Code.INVALID_FIELD, detail, "responsibility")
    reason = _text(message.get("reason"))
    if not _is_writable(reason, REASON_MAX):
        detail = f"reason: at most {REASON_MAX} characters, none of them a control character"
        return actor, Refused(Code.INVALID_FIELD, detail, "reason")
    return actor, Decision(stage, approve, reason, responsibility=Party(said) if said else None)


def confirms(first: Settlement | None, second: Settlement) -> bool:
    """Whether this is the second person's word for the same settlement.

    Raises Refused when the same person says it twice.
    """
    if first is None or (first.out_refund_no, first.reference) != (
        second.out_refund_no,
        second.reference,
    ):
        return False
    if first.name == second.name:
        raise Refused(
            Code.SECOND_PERSON_REQUIRED, f"{first.name} proposed it: another person must confirm"
        )
    return True


def _is_writable(text: str, length_max: int) -> bool:
    """What the tables could not hold must not get further than here."""
    return len(text) <= length_max and not _CONTROL.search(text)


def _unnamed() -> Actor:
    return Actor("unnamed", "reviewer")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
