"""V2 signatures, made and checked on the raw flat map of a message.

Source: WeChat Pay, "Signature algorithm" (app.php?chapter=4_3). Every field that came is signed,
known or not: WeChat adds fields without notice.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from enum import StrEnum


class SignType(StrEnum):
    """The two algorithms of V2, by the names they have on the wire."""

    MD5 = "MD5"
    HMAC_SHA256 = "HMAC-SHA256"


# A notification may be signed with HMAC and not say so, so the length of the signature decides.
_BY_LENGTH = {32: SignType.MD5, 64: SignType.HMAC_SHA256}


def sign(params: Mapping[str, str], key: str, sign_type: SignType) -> str:
    """The upper-case hex signature of a flat map under the merchant's API key.

    The field `sign` and empty values do not take part; "0" does.
    """
    text = _canonical(params, key).encode()
    if sign_type is SignType.HMAC_SHA256:
        return hmac.new(key.encode(), text, hashlib.sha256).hexdigest().upper()
    return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()


def signed(params: Mapping[str, str], key: str, sign_type: SignType) -> dict[str, str]:
    """A copy of the map with its `sign`."""
    return {**params, "sign": sign(params, key, sign_type)}


def verify(
    params: Mapping[str, str], keys: Sequence[str], sign_type: SignType | None = None
) -> bool:
    """Whether the map carries a right signature under one of the keys (current, then previous).

    Without `sign_type` either algorithm is accepted, told apart by the length of the signature;
    with it, only that one. The comparison takes constant time.
    """
    claimed = params.get("sign", "")
    found = _BY_LENGTH.get(len(claimed))
    if found is None or found is not (sign_type or found):
        return False
    made = [sign(params, key, found) for key in keys]
    return any([hmac.compare_digest(claimed.encode(), one.encode()) for one in made])


def nonce() -> str:
    """A fresh `nonce_str`: 32 characters nobody can guess."""
    return secrets.token_hex(16)


def _canonical(params: Mapping[str, str], key: str) -> str:
    kept = sorted((name, value) for name, value in params.items() if value and name != "sign")
    return "&".join(f"{name}={value}" for name, value in [*kept, ("key", key)])
