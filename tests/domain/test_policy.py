"""Policies as people write them: good texts, bad texts, and which policy was meant."""

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.policy import NAMES, FeePolicy, Policies, as_text, duration, read, with_values
from domain.refusals import Code, Refused

DURATIONS = tuple(field.name for field in fields(Policies) if isinstance(field.default, timedelta))
AMOUNTS = ("auto_process_limit",)
RATES = ("fee_rate", "commission_rate")


def test_the_defaults() -> None:
    assert {name: as_text(getattr(Policies(), name)) for name in NAMES} == {
        "unpaid_close": "1800s",
        "merchant_review": "172800s",
        "return_needs_approval": "false",
        "buyer_return": "604800s",
        "merchant_receipt": "864000s",
        "platform_process": "86400s",
        "auto_receive": "864000s",
        "after_sale_window_no_reason": "604800s",
        "after_sale_window_quality": "1296000s",
        "refund_gap": "60s",
        "auto_process_limit": "20000",
        "fee_policy": "MERCHANT_BEARS_ORIGINAL",
        "fee_rate": "0.006",
        "commission_rate": "0",
    }


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_what_was_read(name: str) -> None:
    default = getattr(Policies(), name)
    assert read(name, as_text(default)) == default


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("10s", timedelta(seconds=10)),
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("0s", timedelta(0)),
        ("00000001d", timedelta(days=1)),
        ("365d", timedelta(days=365)),
        ("1 h", timedelta(hours=1)),
        ("PT24H", timedelta(hours=24)),
        ("P7D", timedelta(days=7)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("PT90M", timedelta(minutes=90)),
    ],
)
def test_a_duration(text: str, length: timedelta) -> None:
    assert read("platform_process", f" {text} ") == length


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "h",
        "-1h",
        "1.5h",
        "1w",
        "24H",
        "P",
        "PT",
        "P1DT",
        "P1H",
        "pt24h",
        "366d",
        "P366D",
        "365d 1s",
        "1e3s",
        "0000000001d",
        "999999999999999d",
        "P999999999DT999999999H",
        "9" * 5000 + "s",
    ],
)
def test_no_duration(text: str) -> None:
    _refused("platform_process", text)


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        *((name, "90s", timedelta(seconds=90)) for name in DURATIONS),
        ("return_needs_approval", "true", True),
        ("return_needs_approval", "False", False),
        ("return_needs_approval", True, True),
        ("auto_process_limit", "0", 0),
        ("auto_process_limit", 20000, 20000),
        ("auto_process_limit", "999999999999", 999_999_999_999),
        ("fee_policy", "CHANNEL_ACTUAL", FeePolicy.CHANNEL_ACTUAL),
        ("fee_rate", "0.0038", Decimal("0.0038")),
        ("fee_rate", "1", Decimal(1)),
        ("commission_rate", 0, Decimal(0)),
        ("commission_rate", 0.02, Decimal("0.02")),
    ],
)
def test_another_value(name: str, given: object, value: object) -> None:
    assert read(name, given) == value


@pytest.mark.parametrize(
    ("name", "given"),
    [
        *((name, "90") for name in DURATIONS),
        *(("return_needs_approval", bad) for bad in ("", "yes", "1", 1, None, "真")),
        *((name, bad) for name in AMOUNTS for bad in ("", "-1", "1.0", "1e3", "²", "٣", None)),
        *((name, "1" * 13) for name in AMOUNTS),
        *(("fee_policy", bad) for bad in ("", "channel_actual", "PLATFORM", None)),
        *(
            (name, bad)
            for name in RATES
            for bad in ("", "1.01", "-0.1", "0,006", "0.6%", "NaN", "sNaN", "Infinity", None)
        ),
    ],
)
def test_no_value(name: str, given: object) -> None:
    _refused(name, given)


@pytest.mark.parametrize("name", ["", "platform", "PLATFORM_PROCESS", "__doc__", "__init__"])
def test_no_policy(name: str) -> None:
    _refused(name, "5")


def _refused(name: str, given: object) -> None:
    with pytest.raises(Refused) as refusal:
        with_values(Policies(), {name: given})
    assert name in refusal.value.detail
    assert (refusal.value.code, refusal.value.field) == (Code.INVALID_FIELD, name)


def test_some_values_replace_and_the_others_stay() -> None:
    base = Policies(commission_rate=Decimal("0.02"))
    changed = with_values(base, {"platform_process": "1h", "auto_process_limit": "7"})
    assert changed == Policies(
        commission_rate=Decimal("0.02"),
        platform_process=timedelta(hours=1),
        auto_process_limit=7,
    )


TEXTS = st.one_of(
    st.text(max_size=20),
    st.from_regex(r"\A\s?\d{1,12}\s?[smhd]\s?\Z"),
    st.from_regex(r"\AP(\d{1,12}D)?(T(\d{1,12}H)?(\d{1,12}M)?(\d{1,12}S)?)?\Z"),
    st.floats().map(str),
)


@given(st.sampled_from(NAMES), st.one_of(TEXTS, st.none(), st.booleans(), st.integers()))
@example("fee_rate", "1e-999999999")
def test_anything_is_a_value_of_its_kind_or_a_refusal(name: str, value: Any) -> None:
    try:
        found = read(name, value)
    except Refused as refused:
        assert refused.field == name
    else:
        assert type(found) is type(getattr(Policies(), name))


@given(TEXTS)
def test_a_duration_is_within_a_year(text: str) -> None:
    try:
        assert timedelta(0) <= duration(text) <= timedelta(days=365)
    except ValueError as error:
        assert str(error)
