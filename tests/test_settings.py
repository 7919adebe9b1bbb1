"""Settings as processes read them: secrets from files, and errors in one line."""

from pathlib import Path

import pytest

import settings
from settings import SECRETS, SettingsError
from simulator import defaults


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only what is needed, and no `.env`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "load_dotenv", lambda: None)
    for name in SECRETS:
        # Set first, so that what a test writes into the environment is gone afterwards.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("WECHAT_APPID", defaults.APPID)
    monkeypatch.setenv("WECHAT_MCH_ID", defaults.MCH_ID)
    monkeypatch.setenv("WECHAT_API_KEY", defaults.API_KEY)


def in_file(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, value: str) -> Path:
    """The setting is in a file now."""
    file = folder / name
    file.write_text(value + "\n")
    monkeypatch.setenv(f"{name}_FILE", str(file))
    return file


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WECHAT_API_KEY")
    in_file(monkeypatch, tmp_path, "WECHAT_API_KEY", "k" * 32)
    in_file(monkeypatch, tmp_path, "API_TOKENS", '{"t": {"name": "Shan", "role": "shop"}}')
    loaded = settings.load()
    assert loaded.wechat.api_key == "k" * 32
    assert [token.name for token in loaded.api_tokens.values()] == ["Shan"]


def test_the_password_of_the_database_may_stand_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://shop@db/shop")
    in_file(monkeypatch, tmp_path, "DATABASE_PASSWORD", "p@ss/word")
    wanted = "postgresql+psycopg://shop:p%40ss%2Fword@db/shop"
    assert settings.load().database_url == wanted
    assert settings.database_url() == wanted
    assert "p@ss/word" in settings.load().secrets


def test_a_password_in_the_address_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://shop:own@db/shop")
    monkeypatch.setenv("DATABASE_PASSWORD", "other")
    assert settings.load().database_url == "postgresql+psycopg://shop:own@db/shop"


def test_a_missing_file_and_two_places_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = in_file(monkeypatch, tmp_path, "WECHAT_API_KEY", "k" * 32)
    with pytest.raises(SettingsError, match=r"^WECHAT_API_KEY_FILE: WECHAT_API_KEY is set too"):
        settings.load()
    monkeypatch.delenv("WECHAT_API_KEY")
    file.unlink()
    with pytest.raises(SettingsError, match=r"^WECHAT_API_KEY_FILE: .*: No such file"):
        settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "somewhere"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "LOUD"),
        ("METRICS_PORT", "99999"),
        ("METRICS_HOST", "localhost"),
        ("SECOND_FACTOR_ROLES", "finance,boss"),
    ],
)
def test_a_wrong_setting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as told:
        settings.load()
    assert str(told.value).startswith(f"{name}: ")
    assert "\n" not in str(told.value)


def test_settings_do_not_show_their_secrets() -> None:
    assert defaults.API_KEY not in repr(settings.load())
