"""The console's words, in each language by the same keys."""

from collections.abc import Mapping

from api.console.texts import en, en_codes, zh, zh_codes

LANGUAGES: Mapping[str, Mapping[str, str]] = {
    "zh": zh.TEXTS | zh_codes.CODES,
    "en": en.TEXTS | en_codes.CODES,
}


def text(language: str, key: str, **values: object) -> str:
    """A text with its values filled in; a key that is not there is an error."""
    found = LANGUAGES[language][key]
    return found.format(**values) if values else found


def said(language: str, key: str, default: str) -> str:
    """A text that may be missing."""
    return LANGUAGES[language].get(key, default)
