"""Decisions by signal, whatever was sent, and the second person of an offline settlement."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.after_sale import REASON_MAX, Decision, Stage
from domain.allocation import Party
from domain.decisions import NAME_MAX, Settlement, confirms, read
from domain.refusals import Code, Refused
from domain.timeline import Actor

MESSAGE: dict[str, Any] = {
    "stage": "receipt",
    "reviewer": "Mei",
    "reason": "验过了",
    "responsibility": "BUYER",
}
NO_STAGE: tuple[object, ...] = (None, "", "MERCHANT", "finance", 1, {})
NO_PARTY: tuple[object, ...] = ("", "buyer", "PLATFORM", 0, [], {})


@pytest.mark.parametrize("approve", [True, False])
def test_a_whole_message(approve: bool) -> None:
    assert read(MESSAGE, approve) == (
        Actor("Mei", "merchant"),
        Decision(Stage.RECEIPT, approve, "验过了", responsibility=Party.BUYER),
    )


@pytest.mark.parametrize(
    ("stage", "role"), [("merchant", "merchant"), ("receipt", "merchant"), ("platform", "platform")]
)
@pytest.mark.parametrize("reason", [None, 7, ["x"], ""])
def test_the_least_that_is_understood(stage: str, role: str, reason: object) -> None:
    actor, decision = read({"stage": stage, "reviewer": "Mei", "reason": reason}, approve=True)
    assert actor == Actor("Mei", role)
    assert decision == Decision(Stage(stage), approve=True)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        *(("", bad) for bad in (None, "approve", 7, [MESSAGE], True)),
        *(
            ("reviewer", MESSAGE | {"reviewer": bad})
            for bad in ("", None, 7, "M" * (NAME_MAX + 1), "M\0", "M\n", {"name": "Mei"})
        ),
        *(("stage", MESSAGE | {"stage": bad}) for bad in NO_STAGE),
        *(("responsibility", MESSAGE | {"responsibility": bad}) for bad in NO_PARTY),
        *(("reason", MESSAGE | {"reason": bad}) for bad in ("长" * (REASON_MAX + 1), "a\0b")),
    ],
)
@pytest.mark.parametrize("approve", [True, False])
def test_a_message_that_makes_no_sense(field: str, message: object, approve: bool) -> None:
    actor, refusal = read(message, approve)
    assert isinstance(refusal, Refused)
    assert (refusal.code, refusal.field) == (Code.INVALID_FIELD, field)
    assert actor.name == ("unnamed" if field in ("", "reviewer") else "Mei")


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "stage": JSON | st.sampled_from(Stage),
        "reviewer": JSON,
        "reason": JSON,
        "responsibility": JSON | st.sampled_from(Party),
    },
)


@given(JSON | NEARLY, st.booleans())
def test_any_json_is_a_decision_or_a_refusal_that_can_be_written_down(
    message: object, approve: bool
) -> None:
    actor, said = read(message, approve)
    words = said.detail if isinstance(said, Refused) else said.reason
    assert len(str(actor)) <= NAME_MAX + len("platform:")
    assert len(words) <= REASON_MAX
    assert "\0" not in str(actor) + words
    if isinstance(said, Decision):
        assert said.approve is approve


FIRST = Settlement("Fang", "case-1-1", "bank-77")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (None, FIRST),
        (FIRST, Settlement("Feng", "case-1-2", "bank-77")),
        (FIRST, Settlement("Feng", "case-1-1", "bank-78")),
        (FIRST, Settlement("Fang", "case-1-1", "bank-78")),
    ],
)
def test_another_settlement_is_a_new_proposal(first: Settlement | None, second: Settlement) -> None:
    assert not confirms(first, second)


def test_two_people_settle() -> None:
    assert confirms(FIRST, Settlement("Feng", "case-1-1", "bank-77"))
    with pytest.raises(Refused, match="Fang") as refusal:
        confirms(FIRST, FIRST)
    assert refusal.value.code is Code.SECOND_PERSON_REQUIRED
