"""The sealed part of a refund notification."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wechat.harness import KEY, PREVIOUS_KEY
from wechat import req_info
from wechat.errors import UndecipherableReqInfo

OURS = {"out_refund_no": "131811191610442717309", "refund_status": "SUCCESS"}
SEALED_BY_NODE = (
    "WBzGpzQuNpcFxIlFjUUD9FKo0rHFKIn0kRJVv7PAhPDSCjWAzcyQtBNpSb92FQg9FKQ3UKchg9ThtBc2nKj5Y4/+F/cN"
    "MbquYHZEDLZnvie6zuMGQxeUsJDrezCBTVGpWna3ctMkHn6Fty2JplJhd6+7dt8mY4myldvX2SlYHlE="
)


def test_what_another_library_sealed_is_opened() -> None:
    assert req_info.decrypt(SEALED_BY_NODE, [KEY]) == OURS


def test_line_breaks_in_base64_do_not_matter() -> None:
    assert req_info.decrypt(f"\n{SEALED_BY_NODE[:76]}\r\n{SEALED_BY_NODE[76:]} ", [KEY]) == OURS


@given(st.text(alphabet="x支", max_size=40))
def test_any_length_is_opened_with_either_key(text: str) -> None:
    sealed = req_info.encrypt({"a": text}, PREVIOUS_KEY)
    assert req_info.decrypt(sealed, [KEY, PREVIOUS_KEY]) == {"a": text}


def test_a_text_that_fills_its_blocks_may_come_without_padding() -> None:
    exact = b"<root><a>" + b"1" * 12 + b"</a></root>"
    assert len(exact) % 16 == 0
    sealed = base64.b64decode(req_info.encrypt(exact, KEY))[:-16]
    assert req_info.decrypt(base64.b64encode(sealed).decode(), [KEY]) == {"a": "1" * 12}


@pytest.mark.parametrize(
    "text",
    ["", "no base64!", "签", "QUJD", base64.b64encode(b"x" * 32).decode(), SEALED_BY_NODE[4:]],
)
def test_what_does_not_open_is_one_error(text: str) -> None:
    with pytest.raises(UndecipherableReqInfo):
        req_info.decrypt(text, [KEY, PREVIOUS_KEY])


def test_the_wrong_root_does_not_open() -> None:
    with pytest.raises(UndecipherableReqInfo):
        req_info.decrypt(req_info.encrypt(b"<xml><a>1</a></xml>", KEY), [KEY])
