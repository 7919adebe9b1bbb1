"""Signatures: the official vectors, an independent library, and any flat map."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wechat.harness import KEY, PREVIOUS_KEY
from wechat.signing import SignType, nonce, sign, signed, verify

OFFICIAL = {
    "appid": "wxd930ea5d5a258f4f",
    "mch_id": "10000100",
    "device_info": "1000",
    "body": "test",
    "nonce_str": "ibuaiVcKdpRxkhJA",
}
VECTORS = [
    ({}, SignType.MD5, "9A0A8659F005D6984697E2CA0A9CF3B7"),
    (
        {},
        SignType.HMAC_SHA256,
        "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6",
    ),
    (
        {"sign_type": "HMAC-SHA256"},
        SignType.HMAC_SHA256,
        "2C9DF1156522C0B2B03B4DBF3BCA5CACB602CBD5CA0F9E112458CF3E9855303B",
    ),
    ({"a": "", "b": "0"}, SignType.MD5, "7DAF3255682D229834A87E5AB0B7784D"),
]

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: name != "sign"
)
flat_maps = st.dictionaries(names, st.text(max_size=40), max_size=12)
algorithms = st.sampled_from(SignType)


@pytest.mark.parametrize(("more", "sign_type", "expected"), VECTORS)
def test_vectors(more: dict[str, str], sign_type: SignType, expected: str) -> None:
    assert sign({**OFFICIAL, **more}, KEY, sign_type) == expected


@pytest.mark.filterwarnings("ignore")
def test_wechatpy_agrees_on_md5() -> None:
    # Noisy where it is imported.
    from wechatpy.pay.utils import calculate_signature  # type: ignore[import-untyped]

    dice = random.Random(4)
    maps = [{f"k{dice.random()}": dice.choice(["支付", " x ", "0", ""])} for _ in range(200)]
    for one in [OFFICIAL, *({**OFFICIAL, **more} for more in maps)]:
        assert calculate_signature(one, KEY) == sign(one, KEY, SignType.MD5)


@given(flat_maps, algorithms)
def test_any_flat_map_signs_and_verifies(fields: dict[str, str], sign_type: SignType) -> None:
    whole = signed(fields, KEY, sign_type)
    assert verify(whole, [KEY])
    assert verify(whole, [PREVIOUS_KEY, KEY], sign_type)
    assert not verify(whole, [PREVIOUS_KEY])


@given(flat_maps, algorithms, st.data())
def test_any_changed_value_is_refused(
    fields: dict[str, str], sign_type: SignType, data: st.DataObject
) -> None:
    whole = signed({**fields, "body": "x"}, KEY, sign_type)
    name = data.draw(st.sampled_from(sorted(whole)))
    whole[name] += data.draw(st.text(min_size=1, max_size=3))
    assert not verify(whole, [KEY])


def test_the_length_decides_and_a_demanded_algorithm_is_demanded() -> None:
    whole = signed({**OFFICIAL, "sign_type": "MD5"}, KEY, SignType.HMAC_SHA256)
    assert verify(whole, [KEY])
    assert not verify(whole, [KEY], SignType.MD5)


@pytest.mark.parametrize("claimed", [None, "", "9A0A", "签" * 32, "0" * 32, "0" * 63])
def test_a_missing_or_odd_signature_is_wrong(claimed: str | None) -> None:
    fields = OFFICIAL if claimed is None else {**OFFICIAL, "sign": claimed}
    assert not verify(fields, [KEY])


def test_a_nonce_is_32_characters_and_never_the_same() -> None:
    made = {nonce() for _ in range(100)}
    assert len(made) == 100
    assert {len(one) for one in made} == {32}
