"""What the simulator is told by its environment, checked once at start."""

from pathlib import Path

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from simulator import defaults


class SettingsError(Exception):
    """A setting is wrong; the text is one line that names it."""


class Settings(BaseSettings):
    """Environment variables (or `.env`); `docs/simulator.md` lists every one."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    host: str = Field(default=defaults.HOST, validation_alias="SIMULATOR_HOST")
    port: int = Field(default=defaults.PORT, ge=0, le=65535, validation_alias="SIMULATOR_PORT")
    database: Path = Field(default=Path(defaults.DATABASE), validation_alias="SIMULATOR_DB")
    refund_seconds: float = Field(default=3.0, ge=0, validation_alias="SIMULATOR_REFUND_SECONDS")
    public_url: str = Field(default=defaults.PUBLIC_URL, validation_alias="PUBLIC_URL")
    appid: str = Field(default=defaults.APPID, min_length=1, validation_alias="WECHAT_APPID")
    mch_id: str = Field(default=defaults.MCH_ID, min_length=1, validation_alias="WECHAT_MCH_ID")
    api_key: str = Field(default=defaults.API_KEY, validation_alias="WECHAT_API_KEY")
    previous_api_key: str = Field(default="", validation_alias="WECHAT_PREVIOUS_API_KEY")
    cert_file: Path | None = Field(default=None, validation_alias="SIMULATOR_CERT_FILE")
    key_file: Path | None = Field(default=None, validation_alias="SIMULATOR_KEY_FILE")
    client_ca_file: Path | None = Field(default=None, validation_alias="SIMULATOR_CLIENT_CA_FILE")

    @field_validator("api_key", "previous_api_key")
    @classmethod
    def _thirty_two_bytes(cls, value: str) -> str:
        if value and len(value.encode()) != 32:
            raise ValueError("a WeChat Pay V2 API key has 32 bytes")
        return value

    @field_validator("cert_file", "key_file", "client_ca_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"no such file: {value}")
        return value

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "Settings":
        files = (self.cert_file, self.key_file, self.client_ca_file)
        if any(files) and not all(files):
            raise ValueError(
                "SIMULATOR_CERT_FILE, SIMULATOR_KEY_FILE and SIMULATOR_CLIENT_CA_FILE go together"
            )
        return self

    @property
    def tls(self) -> bool:
        """Whether the port speaks TLS and `/secapi` demands a client certificate."""
        return self.cert_file is not None

    @property
    def base_url(self) -> str:
        """What a client uses as `WECHAT_BASE_URL`."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    @property
    def pay_notify_url(self) -> str:
        """Where payments of orders without a notify_url of their own are notified."""
        return self.public_url.rstrip("/") + defaults.PAY_NOTIFY_PATH

    @property
    def refund_notify_url(self) -> str:
        """The refund address set in the merchant's console: refunds made there notify it."""
        return self.public_url.rstrip("/") + defaults.REFUND_NOTIFY_PATH


def load() -> Settings:
    """Settings from the environment; raises `SettingsError` naming the first wrong one."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name}: {reason}" if name else reason) from None
