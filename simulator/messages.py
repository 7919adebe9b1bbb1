"""The flat messages of V2, and the business error that a call may end in."""

import re
from collections.abc import Mapping
from typing import Final

LENGTHS_MAX: Final[Mapping[str, int]] = {
    "nonce_str": 32, "device_info": 32, "body": 128, "detail": 6000, "attach": 127,
    "out_trade_no": 32, "transaction_id": 32, "out_refund_no": 64, "refund_id": 32,
    "spbill_create_ip": 64, "goods_tag": 32, "notify_url": 256, "product_id": 32, "openid": 128,
    "refund_desc": 80, "refund_account": 30,
}  # fmt: skip
"""How many characters a field of a call may have."""

FEN_DIGITS_MAX: Final = 12

_NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]*")


class Refusal(Exception):
    """A business error: signed, with `result_code=FAIL` and one of the documented err_codes."""

    def __init__(self, err_code: str, err_code_des: str) -> None:
        super().__init__(f"{err_code}: {err_code_des}")
        self.err_code = err_code
        self.err_code_des = err_code_des


Fields = dict[str, str]
"""A flat V2 message as it came."""

Reply = dict[str, str | int]
"""A flat V2 message as it leaves: int for a bare number, str for CDATA."""


def require(fields: Fields, *names: str, err_code: str = "PARAM_ERROR") -> None:
    """Raises Refusal for the first field that is missing or empty."""
    for name in names:
        if not fields.get(name):
            raise Refusal(err_code, f"缺少参数: {name}")


def check_lengths(fields: Fields) -> None:
    """Raises Refusal for a field that is too long, or a number of ours with odd characters."""
    for name, longest in LENGTHS_MAX.items():
        if len(fields.get(name, "")) > longest:
            raise Refusal("PARAM_ERROR", f"{name} 超过 {longest} 个字符")
    for name in ("out_trade_no", "out_refund_no"):
        if not _NUMBER.fullmatch(fields.get(name, "")):
            raise Refusal("PARAM_ERROR", f"{name} 含有不允许的字符")


def fen(fields: Fields, name: str) -> int:
    """A field that holds money, at least 1 fen; raises Refusal."""
    text = fields.get(name, "")
    well = text.isascii() and text.isdigit() and len(text) <= FEN_DIGITS_MAX
    if not well or int(text) < 1:
        raise Refusal("PARAM_ERROR", f"{name} 应为大于0的整数")
    return int(text)
