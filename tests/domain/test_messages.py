"""What crosses a border survives being written down and read back."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic_core import to_json

from domain import messages


def dictionaries(kind: Any) -> st.SearchStrategy[Any]:
    return st.dictionaries(*(st.from_type(part) for part in get_args(kind)), max_size=2)


st.register_type_strategy(Mapping, dictionaries)
st.register_type_strategy(datetime, st.datetimes(timezones=st.just(UTC)))
st.register_type_strategy(timedelta, st.timedeltas(timedelta(0), timedelta(days=365)))
st.register_type_strategy(Decimal, st.decimals(0, 1))

MESSAGES = [
    kind
    for kind in vars(messages).values()
    if dataclasses.is_dataclass(kind) and kind.__module__ == messages.__name__
]


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@given(st.data())
@settings(
    max_examples=10,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking a batch takes minutes
    suppress_health_check=list(HealthCheck),
)
def test_written_down_and_read_back(kind: type[Any], data: st.DataObject) -> None:
    message = data.draw(st.from_type(kind))
    assert TypeAdapter(kind).validate_json(to_json(message)) == message
