"""What the mini-program is handed."""

from datetime import UTC, datetime

import pytest

from tests.wechat.harness import KEY, account
from wechat.invocation import pay_params
from wechat.signing import SignType, sign


@pytest.mark.parametrize("sign_type", SignType)
def test_the_parameters_are_signed_like_the_order(sign_type: SignType) -> None:
    made = pay_params("wx1", account(sign_type=sign_type), datetime(2026, 11, 9, tzinfo=UTC))
    claimed = made.pop("paySign")
    assert claimed == sign(made, KEY, sign_type)
    assert made.pop("nonceStr")
    assert made == {
        "appId": "wxd930ea5d5a258f4f",
        "timeStamp": "1794182400",
        "package": "prepay_id=wx1",
        "signType": sign_type.value,
    }


def test_now_is_the_default() -> None:
    told = int(pay_params("wx1", account())["timeStamp"])
    assert abs(told - datetime.now(UTC).timestamp()) < 60
