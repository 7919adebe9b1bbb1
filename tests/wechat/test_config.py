"""A merchant's account: what could never work is refused at once."""

from typing import Any

import pytest

from tests.wechat.harness import KEY, PREVIOUS_KEY, account
from wechat.config import FALLBACK_HOST, HOST


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"api_key": "short"}, "32 bytes"),
        ({"previous_api_key": "支" * 32}, "32 bytes"),
        ({"cert_file": "cert.pem"}, "go together"),
        ({"key_file": "key.pem"}, "go together"),
        ({"base_url": "api.mch.weixin.qq.com"}, "https://"),
        ({"fallback_url": "ftp://x"}, "https://"),
    ],
)
def test_what_could_never_work_is_named(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        account(**wrong)


def test_only_wechats_own_host_has_a_fallback_by_default() -> None:
    assert account().hosts == (HOST, FALLBACK_HOST)
    assert account(base_url="http://127.0.0.1:8001/").hosts == ("http://127.0.0.1:8001",)
    assert account(fallback_url="https://b.example").hosts == (HOST, "https://b.example")


def test_keys_are_tried_in_order_and_never_shown() -> None:
    config = account(previous_api_key=PREVIOUS_KEY)
    assert config.keys == (KEY, PREVIOUS_KEY)
    assert KEY not in repr(config)
    assert PREVIOUS_KEY not in repr(config)
