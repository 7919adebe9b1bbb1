"""The flat messages of V2, and the business error that a call may end in."""


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


def fen(fields: Fields, name: str) -> int:
    """A field that holds money, at least 1 fen; raises Refusal."""
    text = fields.get(name, "")
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise Refusal("PARAM_ERROR", f"{name} 应为大于0的整数")
    return int(text)
