"""What a mini-program hands to `wx.requestPayment` to let the buyer pay an order."""

from datetime import UTC, datetime

from wechat.config import Config
from wechat.signing import nonce, sign


def pay_params(prepay_id: str, config: Config, at: datetime | None = None) -> dict[str, str]:
    """The signed parameters: appId, timeStamp, nonceStr, package, signType, paySign.

    signType is the algorithm that the order was signed with, as WeChat demands. `at` defaults to
    now. Source: WeChat Pay, mini-program payment, "invocation".
    """
    moment = at or datetime.now(UTC)
    params = {
        "appId": config.appid,
        "timeStamp": str(int(moment.timestamp())),
        "nonceStr": nonce(),
        "package": f"prepay_id={prepay_id}",
        "signType": config.sign_type.value,
    }
    return params | {"paySign": sign(params, config.api_key, config.sign_type)}
