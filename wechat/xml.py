"""The flat XML of V2: one root, one level of fields, text only.

xmltodict reads it with whitespace kept, because a signature covers the exact text. Whatever could
make a value ambiguous (repeated or nested fields, attributes) or dangerous (DTD, entities) is
refused.
"""

import re
from collections.abc import Mapping
from typing import Any, NoReturn
from xml.parsers import expat

import xmltodict  # type: ignore[import-untyped]

from wechat.errors import MalformedXML

__all__ = ["BYTES_MAX", "MalformedXML", "parse", "render"]

BYTES_MAX = 64 * 1024

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# XML 1.0 can't carry these, or (carriage return) doesn't give them back as they were.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


class _Guard:
    """Stands where xmltodict expects the expat module, and hands out stricter parsers."""

    @staticmethod
    def ParserCreate(  # noqa: N802
        encoding: str | None, namespace_separator: str | None
    ) -> expat.XMLParserType:
        parser = expat.ParserCreate(encoding, namespace_separator)
        parser.StartDoctypeDeclHandler = _forbidden
        parser.ProcessingInstructionHandler = _forbidden
        parser.CommentHandler = _forbidden
        return parser


def parse(body: bytes, root: str = "xml") -> dict[str, str]:
    """The fields of a message, in order, with their exact text; an absent text is "".

    Raises MalformedXML for anything but flat UTF-8 XML of at most 64 KiB under `root`.
    """
    if len(body) > BYTES_MAX:
        raise MalformedXML(f"longer than {BYTES_MAX} bytes")
    try:
        document = xmltodict.parse(body, encoding="utf-8", expat=_Guard, strip_whitespace=False)
    except (expat.ExpatError, ValueError) as error:
        raise MalformedXML(f"not well-formed: {error}") from error
    if list(document) != [root]:
        raise MalformedXML(f"the root is not <{root}>")
    return _fields(document[root])


def render(params: Mapping[str, str | int], root: str = "xml") -> bytes:
    """The message as WeChat writes it: CDATA for text, bare digits for ints.

    Raises ValueError for a name or a character that XML can't carry unchanged.
    """
    fields = "".join(_element(name, value) for name, value in params.items())
    return f"<{root}>{fields}</{root}>".encode()


def _forbidden(*_: object) -> NoReturn:
    raise ValueError("a DTD, comment or processing instruction")


def _fields(content: Any) -> dict[str, str]:
    if isinstance(content, str):
        content = {"#text": content}
    fields = dict(content or {})
    if (fields.pop("#text", None) or "").strip():
        raise MalformedXML("text beside the fields")
    return {name: _text(name, value) for name, value in fields.items()}


def _text(name: str, value: object) -> str:
    if not _NAME.fullmatch(name):
        raise MalformedXML(f"an attribute or odd name: {name[:40]!r}")
    if value is not None and not isinstance(value, str):
        raise MalformedXML(f"<{name[:40]}> is repeated, nested or has attributes")
    return value or ""


def _element(name: str, value: str | int) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a field name: {name!r}")
    if isinstance(value, int):
        return f"<{name}>{value}</{name}>"
    if _UNPRINTABLE.search(value):
        raise ValueError(f"{name} has a character that XML can't carry")
    text = value.replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{text}]]></{name}>"
