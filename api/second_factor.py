"""A second factor at sign-in: codes of an authenticator app.

Source: RFC 6238 (TOTP) at its defaults, six digits and steps of 30 seconds, which every app knows.
"""

import re
from datetime import UTC, datetime
from hmac import compare_digest

import pyotp

ISSUER = "wechat-order-flow"
CLOCKS_DIFFER_BY = (-1, 0, 1)
"""Steps; a phone's clock may be that far from ours."""
SECRET = re.compile("[A-Z2-7]{32}")


def fresh_secret() -> str:
    """160 random bits, as apps take them."""
    return pyotp.random_base32()


def is_secret(text: str) -> bool:
    """Whether this is what `fresh_secret` makes."""
    return SECRET.fullmatch(text) is not None


def address(secret: str, name: str) -> str:
    """What a QR code says to an app."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def step_of(secret: str, code: str) -> int:
    """The step that this code is of; 0 for a wrong one. Take each step once: codes can be seen."""
    totp, now = pyotp.TOTP(secret), datetime.now(UTC)
    typed = "".join(code.split())
    for apart in CLOCKS_DIFFER_BY:
        if compare_digest(totp.at(now, counter_offset=apart).encode(), typed.encode()):
            return totp.timecode(now) + apart
    return 0
