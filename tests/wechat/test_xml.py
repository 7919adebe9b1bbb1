"""The XML of V2: exact text out, nothing ambiguous or dangerous in."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wechat.test_signing import names
from wechat import xml
from wechat.errors import MalformedXML

LOL = b'<!DOCTYPE x [<!ENTITY a "lol">%s]><xml><a>&z;</a></xml>' % b"".join(
    b'<!ENTITY %c "%s">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in range(98, 123)
)
XXE = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><a>&e;</a></xml>'
REFUSED = {
    "empty": b"",
    "junk": b"not xml at all",
    "cut off": b"<xml><return_code><![CDATA[SUCC",
    "another root": b"<html><a>1</a></html>",
    "two roots": b"<xml></xml><xml></xml>",
    "entities that grow": LOL,
    "external entity": XXE,
    "DTD without entities": b"<!DOCTYPE xml><xml><a>1</a></xml>",
    "undefined entity": b"<xml><a>&nbsp;</a></xml>",
    "nested": b"<xml><a><b>1</b></a></xml>",
    "repeated": b"<xml><a>1</a><a>2</a></xml>",
    "attribute": b'<xml><a x="1">1</a></xml>',
    "attribute of the root": b'<xml x="1"><a>1</a></xml>',
    "namespace": b'<xml xmlns="urn:x"><a>1</a></xml>',
    "prefixed name": b"<xml><n:a>1</n:a></xml>",
    "stray text": b"<xml>stray<a>1</a></xml>",
    "only text": b"<xml>stray</xml>",
    "comment": b"<xml><a>1<!-- 2 --></a></xml>",
    "processing instruction": b"<xml><?php 1?><a>1</a></xml>",
    "not UTF-8": "<xml><a>支付</a></xml>".encode("gbk"),
    "NUL": b"<xml><a>\x00</a></xml>",
    "2 MB": b"<xml><a>" + b"x" * 2_000_000 + b"</a></xml>",
    "deep": b"<xml>" + b"<a>" * 9_000 + b"</a>" * 9_000 + b"</xml>",
    "wide": b"<xml>" + b"<a/>" * 16_000 + b"</xml>",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_refused_with_the_one_error(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        xml.parse(body)


def test_text_is_kept_to_the_letter() -> None:
    body = b"<xml>\n <a><![CDATA[ x ]]></a>\n<b>1</b><c></c><d/><e>&lt;&amp;</e> </xml>"
    assert xml.parse(body) == {"a": " x ", "b": "1", "c": "", "d": "", "e": "<&"}


def test_an_empty_root_has_no_fields() -> None:
    assert xml.parse(b"<xml/>") == {}


def test_a_declaration_does_not_choose_the_encoding() -> None:
    body = '<?xml version="1.0" encoding="GBK"?><xml><a>支付</a></xml>'.encode()
    assert xml.parse(body) == {"a": "支付"}


def test_ints_are_bare_and_text_is_cdata() -> None:
    made = xml.render({"total_fee": 1, "body": "a]]>b"})
    assert made == (
        b"<xml><total_fee>1</total_fee><body><![CDATA[a]]]]><![CDATA[>b]]></body></xml>"
    )


@given(st.dictionaries(names, st.text(max_size=60), max_size=12))
def test_what_is_rendered_is_read_back_or_refused_at_once(fields: dict[str, str]) -> None:
    try:
        body = xml.render(fields)
    except ValueError:
        return
    assert xml.parse(body) == fields


@pytest.mark.parametrize("fields", [{"a b": "1"}, {"": "1"}, {"a": "\x00"}, {"a": "x\ry"}])
def test_what_xml_cannot_carry_is_not_rendered(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        xml.render(fields)


pieces = st.sampled_from(
    [b"<xml>", b"</xml>", b"<a>", b"</a>", b"<a/>", b"<![CDATA[", b"]]>", b"&amp;", b"&#0;", b"x",
     b"<!DOCTYPE x>", b"<!--", b"-->", b"<?p ?>", b"\xff", b"\x00", b' a="1"', "支".encode()]
)  # fmt: skip
bodies = st.binary(max_size=200) | st.lists(pieces, max_size=30).map(b"".join)


@given(bodies)
def test_any_bytes_give_a_flat_map_or_the_one_error(body: bytes) -> None:
    try:
        fields = xml.parse(body)
    except MalformedXML as error:
        assert len(str(error)) < 200
        return
    assert all(isinstance(value, str) for value in fields.values())


@pytest.mark.parametrize("name", ["2 MB", "deep", "wide", "entities that grow"])
def test_refusing_needs_little_memory(name: str) -> None:
    tracemalloc.start()
    with pytest.raises(MalformedXML):
        xml.parse(REFUSED[name])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 1024 * 1024
