"""What the API and the worker are told by their environment (or `.env`), checked once at start."""

import base64
import hashlib
import json
import os
import re
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from dotenv import load_dotenv
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from domain import policy
from domain.policy import FeePolicy, Policies
from domain.refusals import Refused
from telemetry.logs import Format
from wechat.config import HOST, Config
from wechat.signing import SignType

WEBHOOK_KEY_BYTES_MIN = 24
"""As the Standard Webhooks specification asks."""
PAYLOAD_KEY_BYTES = 32
"""Of AES-256."""


class SettingsError(Exception):
    """A setting is missing or wrong; the text is one line that names it."""


SANDBOX_PASSWORD = "sandbox"
SANDBOX_LOGINS = {
    "mei": ("merchant", "m1"),
    "ping": ("platform", ""),
    "fang": ("finance", ""),
    "feng": ("finance", ""),
    "shen": ("auditor", ""),
    "ada": ("admin", ""),
}
"""Who signs in to the console of a sandbox: name → role, merchant_id."""


SECRETS = (
    "API_TOKENS",
    "DATABASE_PASSWORD",
    "DATABASE_URL",
    "PAYLOAD_KEYS",
    "TEMPORAL_API_KEY",
    "WEBHOOK_SECRET",
    "WECHAT_API_KEY",
    "WECHAT_PREVIOUS_API_KEY",
)
"""What may stand in a file instead, named by the same setting and `_FILE`."""
DEFAULT_DATABASE_URL = "sqlite:///data/shop.db"


def token_hash(token: str) -> str:
    """All that is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


Role = Literal["shop", "merchant", "platform", "finance", "auditor", "admin"]


class Token(BaseModel):
    """Whose token it is."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=100)
    role: Role
    merchant_id: str = ""

    @model_validator(mode="after")
    def _merchant_is_named(self) -> "Token":
        if self.role == "merchant" and not self.merchant_id:
            raise ValueError(f"{self.name}: a merchant's token needs merchant_id")
        return self


def _policy(name: str) -> Any:
    """A field that reads `POLICY_<NAME>`."""
    default = getattr(Policies(), name)
    return Field(default=default, validation_alias=f"POLICY_{name.upper()}")


class Settings(BaseSettings):
    """Every setting of the API and the worker; `docs/operating.md` explains each."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    database_url: str = Field(
        default=DEFAULT_DATABASE_URL, repr=False, validation_alias="DATABASE_URL"
    )
    database_password: str = Field(default="", repr=False, validation_alias="DATABASE_PASSWORD")
    public_url: str = Field(default="http://127.0.0.1:8000", validation_alias="PUBLIC_URL")
    sandbox: bool = Field(default=False, validation_alias="SANDBOX")
    api_host: str = Field(default="127.0.0.1", validation_alias="API_HOST")
    api_port: int = Field(default=8000, ge=0, le=65535, validation_alias="API_PORT")
    api_tokens: Annotated[dict[str, Token], NoDecode] = Field(
        default={}, validation_alias="API_TOKENS"
    )
    temporal_port: int = Field(default=7233, ge=1, le=65535, validation_alias="TEMPORAL_PORT")
    temporal_ui_port: int = Field(default=8233, ge=1, le=65535, validation_alias="TEMPORAL_UI_PORT")
    temporal_ui_url: str = Field(default="", validation_alias="TEMPORAL_UI_URL")
    payload_keys: Annotated[tuple[bytes, ...], NoDecode] = Field(
        default=(), repr=False, validation_alias="PAYLOAD_KEYS"
    )
    console: bool = Field(default=True, validation_alias="CONSOLE")
    second_factor_roles: Annotated[frozenset[Role], NoDecode] = Field(
        default=frozenset(), validation_alias="SECOND_FACTOR_ROLES"
    )
    log_format: Format = Field(default="text", validation_alias="LOG_FORMAT")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", validation_alias="LOG_LEVEL"
    )
    metrics_host: IPvAnyAddress = Field(
        default=ip_address("127.0.0.1"), validation_alias="METRICS_HOST"
    )
    metrics_port: int = Field(default=0, ge=0, le=65535, validation_alias="METRICS_PORT")
    otel_exporter_otlp_endpoint: str = Field(
        default="", validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT"
    )

    wechat_base_url: str = Field(default=HOST, validation_alias="WECHAT_BASE_URL")
    wechat_appid: str = Field(min_length=1, validation_alias="WECHAT_APPID")
    wechat_mch_id: str = Field(min_length=1, validation_alias="WECHAT_MCH_ID")
    wechat_api_key: str = Field(min_length=1, repr=False, validation_alias="WECHAT_API_KEY")
    wechat_previous_api_key: str = Field(
        default="", repr=False, validation_alias="WECHAT_PREVIOUS_API_KEY"
    )
    wechat_sign_type: SignType = Field(default=SignType.MD5, validation_alias="WECHAT_SIGN_TYPE")
    wechat_cert_file: Path | None = Field(default=None, validation_alias="WECHAT_CERT_FILE")
    wechat_key_file: Path | None = Field(default=None, validation_alias="WECHAT_KEY_FILE")
    wechat_ca_file: Path | None = Field(default=None, validation_alias="WECHAT_CA_FILE")

    webhook_url: str = Field(default="", validation_alias="WEBHOOK_URL")
    webhook_secret: str = Field(default="", repr=False, validation_alias="WEBHOOK_SECRET")

    policy_unpaid_close: timedelta = _policy("unpaid_close")
    policy_merchant_review: timedelta = _policy("merchant_review")
    policy_return_needs_approval: bool = _policy("return_needs_approval")
    policy_buyer_return: timedelta = _policy("buyer_return")
    policy_merchant_receipt: timedelta = _policy("merchant_receipt")
    policy_platform_process: timedelta = _policy("platform_process")
    policy_auto_receive: timedelta = _policy("auto_receive")
    policy_after_sale_window_no_reason: timedelta = _policy("after_sale_window_no_reason")
    policy_after_sale_window_quality: timedelta = _policy("after_sale_window_quality")
    policy_refund_gap: timedelta = _policy("refund_gap")
    policy_auto_process_limit: int = _policy("auto_process_limit")
    policy_fee_policy: FeePolicy = _policy("fee_policy")
    policy_fee_rate: Decimal = _policy("fee_rate")
    policy_commission_rate: Decimal = _policy("commission_rate")

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("api_tokens", mode="before")
    @classmethod
    def _tokens(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            tokens = json.loads(value)
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from None
        if not isinstance(tokens, dict):
            raise ValueError("a JSON object from token to its owner is needed")
        return {token_hash(token): owner for token, owner in tokens.items()}

    @field_validator("second_factor_roles", mode="before")
    @classmethod
    def _roles(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if unknown := set(_listed(value)) - set(get_args(Role)):
            raise ValueError(f"no such role: {', '.join(sorted(unknown))}")
        return _listed(value)

    @field_validator("payload_keys", mode="before")
    @classmethod
    def _keys(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            keys = tuple(base64.b64decode(key, validate=True) for key in _listed(value))
        except ValueError:
            raise ValueError("not base64, with commas or spaces between the keys") from None
        if any(len(key) != PAYLOAD_KEY_BYTES for key in keys):
            raise ValueError(f"each key has {PAYLOAD_KEY_BYTES} bytes, in base64")
        return keys

    @field_validator("webhook_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        if value and not re.match(r"https?://[^/\s]+", value):
            raise ValueError(f"not an http or https address: {value}")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _is_long_enough(cls, value: str) -> str:
        try:
            key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise ValueError("not base64, with whsec_ before it or without") from None
        if value and len(key) < WEBHOOK_KEY_BYTES_MIN:
            raise ValueError(f"at least {WEBHOOK_KEY_BYTES_MIN} bytes, in base64")
        return value

    @model_validator(mode="after")
    def _webhook_is_signed(self) -> "Settings":
        if self.webhook_url and not self.webhook_secret:
            raise ValueError("WEBHOOK_SECRET is needed to sign what goes to WEBHOOK_URL")
        return self

    @model_validator(mode="before")
    @classmethod
    def _policies(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name in policy.NAMES:
            alias = f"POLICY_{name.upper()}"
            if isinstance(values.get(alias), str):
                values[alias] = _read_policy(alias, name, values[alias])
        return values

    @model_validator(mode="after")
    def _password(self) -> "Settings":
        self.database_url = _with_password(self.database_url, self.database_password)
        return self

    @property
    def secrets(self) -> list[str]:
        """What no log may show."""
        password = make_url(self.database_url).password
        wechat = [self.wechat_api_key, self.wechat_previous_api_key]
        others = [str(password or ""), self.webhook_secret, os.environ.get("TEMPORAL_API_KEY", "")]
        keys = [base64.b64encode(key).decode() for key in self.payload_keys]
        return [secret for secret in wechat + others + keys if secret]

    @property
    def metrics_address(self) -> str:
        """Where the worker serves its metrics; empty for nowhere."""
        host = f"[{self.metrics_host}]" if self.metrics_host.version == 6 else self.metrics_host
        return f"{host}:{self.metrics_port}" if self.metrics_port else ""

    @property
    def policies(self) -> Policies:
        """The platform's policies, where a merchant sets none of its own."""
        return Policies(**{name: getattr(self, f"policy_{name}") for name in policy.NAMES})

    @property
    def wechat(self) -> Config:
        """The merchant account at WeChat Pay."""
        return Config(
            appid=self.wechat_appid,
            mch_id=self.wechat_mch_id,
            api_key=self.wechat_api_key,
            previous_api_key=self.wechat_previous_api_key,
            sign_type=self.wechat_sign_type,
            base_url=self.wechat_base_url,
            cert_file=self.wechat_cert_file,
            key_file=self.wechat_key_file,
            ca_file=self.wechat_ca_file,
        )

    @property
    def temporal_address(self) -> str:
        """Where the embedded Temporal listens, unless TEMPORAL_ADDRESS says otherwise."""
        return f"127.0.0.1:{self.temporal_port}"

    @property
    def pay_notify_url(self) -> str:
        """Where WeChat Pay notifies payments."""
        return self.public_url.rstrip("/") + "/apis/pay_notify"

    @property
    def refund_notify_url(self) -> str:
        """Where WeChat Pay notifies refunds."""
        return self.public_url.rstrip("/") + "/apis/refund_notify"


def load() -> Settings:
    """The settings; raises SettingsError naming the first that is missing or wrong.

    `.env` goes into the environment first, for Temporal's own settings are read from there.
    """
    _environment()
    try:
        loaded = Settings()
        loaded.wechat  # noqa: B018 - its checks belong to the start, not to the first call
        return loaded
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name}: {reason}" if name else reason) from None
    except ValueError as error:
        raise SettingsError(f"WECHAT_*: {error}") from None


def database_url() -> str:
    """DATABASE_URL alone, for jobs that need no other setting; raises SettingsError."""
    _environment()
    url = os.environ.get("DATABASE_URL") or DEFAULT_DATABASE_URL
    try:
        return _with_password(url, os.environ.get("DATABASE_PASSWORD", ""))
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _environment() -> None:
    """Complete the environment from `.env` and from the files that secrets stand in."""
    load_dotenv()
    for name in SECRETS:
        file = os.environ.get(f"{name}_FILE")
        if not file:
            continue
        if os.environ.get(name):
            raise SettingsError(f"{name}_FILE: {name} is set too; one of them is enough")
        try:
            os.environ[name] = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise SettingsError(f"{name}_FILE: {file}: {reason}") from None
        del os.environ[f"{name}_FILE"]


def _listed(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _with_password(url: str, password: str) -> str:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("DATABASE_URL: no address of a database") from None
    if not password or parsed.password is not None:
        return url
    return parsed.set(password=password).render_as_string(hide_password=False)


def _read_policy(alias: str, name: str, text: str) -> object:
    try:
        return policy.read(name, text)
    except Refused as refused:
        raise ValueError(refused.detail.replace(name, alias, 1)) from None
