"""Values on their way to Temporal and back."""

from datetime import UTC, datetime

import pytest

from domain.messages import PaymentFact, RefundHint
from workflows.payloads import Payloads

FACT = PaymentFact("W1", "4200", 380, True, datetime(2026, 1, 1, 4, tzinfo=UTC))


@pytest.mark.parametrize("value", [FACT, RefundHint("A1-1", "SUCCESS"), "words", None, b"bytes", 7])
def test_a_value_comes_back_as_it_was(value: object) -> None:
    kept = Payloads().to_payloads([value])
    assert Payloads().from_payloads(kept, [type(value)]) == [value]


def test_what_one_run_has_learned_of_a_type_the_next_one_knows() -> None:
    one, another = Payloads(), Payloads()
    assert one is not another
    assert one.converters[b"json/plain"] is another.converters[b"json/plain"]
