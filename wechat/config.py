"""Who we are at WeChat Pay, and where it is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wechat.signing import SignType

HOST: Final = "https://api.mch.weixin.qq.com"
FALLBACK_HOST: Final = "https://api2.mch.weixin.qq.com"
API_KEY_BYTES: Final = 32


@dataclass(frozen=True)
class Config:
    """One merchant's account; keys don't show in its repr.

    `previous_api_key` verifies what was signed before a rotation. `cert_file` and `key_file` are
    the merchant's client certificate (PEM), needed by refunds and the fund flow; `ca_file` replaces
    the public authorities that a server is trusted by. `timeout_s` limits one whole call. The
    fallback host is tried when a connection can't be made; by default only WeChat's own has one.

    Raises ValueError for a value that could never work.
    """

    appid: str
    mch_id: str
    api_key: str = field(repr=False)
    previous_api_key: str = field(default="", repr=False)
    sign_type: SignType = SignType.MD5
    base_url: str = HOST
    fallback_url: str = ""
    timeout_s: float = 10.0
    cert_file: str | Path | None = None
    key_file: str | Path | None = None
    ca_file: str | Path | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without asking WeChat."""
        if any(len(key.encode()) != API_KEY_BYTES for key in self.keys):
            raise ValueError(f"a WeChat Pay V2 API key has {API_KEY_BYTES} bytes")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file go together")
        if not all(url.startswith(("http://", "https://")) for url in self.hosts):
            raise ValueError("base_url and fallback_url start with http:// or https://")

    @property
    def keys(self) -> tuple[str, ...]:
        """The API keys that a signature may be made with, the current one first."""
        return (self.api_key, self.previous_api_key) if self.previous_api_key else (self.api_key,)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where calls go, in order of trial, without a slash at the end."""
        base = self.base_url.rstrip("/")
        fallback = self.fallback_url.rstrip("/") or (FALLBACK_HOST if base == HOST else "")
        return (base, fallback) if fallback else (base,)
