"""What is fuzzed: each target takes any bytes, and raises where a reader breaks its promise.

The promise is the same everywhere: a result that is what it says, or an error that is documented.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError
from temporalio.api.common.v1 import Payload

from api import after_sales, coupons, merchants, orders, statements
from api.codec import PayloadsBody
from api.console import filters
from api.console.visitor import Visitor
from api.problems import of_refusal
from db.lists import read_cursor
from domain import decisions, policy
from domain.after_sale import REASON_MAX, Decision
from domain.days import start_of
from domain.refusals import Refused
from settings import Settings
from simulator import defaults
from wechat import bills, notifications, req_info, xml
from wechat.config import Config
from wechat.errors import MalformedBill, MalformedXML, RejectedNotification, UndecipherableReqInfo
from wechat.signing import SignType, signed
from workflows.sealing import ENCODING, KEY, Sealer, Unreadable

CONFIG: Final = Config(appid=defaults.APPID, mch_id=defaults.MCH_ID, api_key=defaults.API_KEY)
SEALER: Final = Sealer([b"k" * 32])
BODIES: Final[tuple[type[BaseModel], ...]] = (
    orders.OrderBody, orders.ShipBody, after_sales.ApplyBody, after_sales.MerchantReviewBody,
    after_sales.PlatformReviewBody, after_sales.ReceiptBody, after_sales.ParcelBody,
    after_sales.ExtendBody, after_sales.SettleBody, after_sales.AgainBody, coupons.UseBody,
    merchants.MerchantBody, PayloadsBody,
)  # fmt: skip
NEEDED: Final = {
    "WECHAT_APPID": defaults.APPID,
    "WECHAT_MCH_ID": defaults.MCH_ID,
    "WECHAT_API_KEY": defaults.API_KEY,
}
STRANGERS: Final = ("API_TOKENS", "PAYLOAD_KEYS", "WEBHOOK_SECRET", "WEBHOOK_URL", "DATABASE_URL")


class Broken(Exception):
    """A reader gave out what it must not."""


def flat_xml(data: bytes) -> None:
    """Fields with their exact text; what can be written again reads the same."""
    try:
        fields = xml.parse(data)
    except MalformedXML:
        return
    try:
        again = xml.render(fields)
    except ValueError:
        return  # a character that XML can't carry unchanged, such as a carriage return
    if len(again) <= xml.BYTES_MAX and xml.parse(again) != fields:
        raise Broken(f"{fields!r} does not read back")


def notification(data: bytes) -> None:
    """Junk is never believed."""
    try:
        told = notifications.parse(data, CONFIG)
    except RejectedNotification:
        return
    raise Broken(f"believed without a key: {told!r}")


def signed_notification(data: bytes) -> None:
    """Whatever WeChat Pay might sign is a fact with its numbers, or refused."""
    fields = {"mch_id": defaults.MCH_ID, "return_code": "SUCCESS", "result_code": "SUCCESS"}
    try:
        body = xml.render(signed(fields | dict(_pairs(data)), CONFIG.api_key, SignType.MD5))
        told = notifications.parse(body, CONFIG)
    except (RejectedNotification, ValueError):
        return
    if not told.out_trade_no or not 0 <= told.total_fee < 10**15:
        raise Broken(repr(told))


def sealed_notification(data: bytes) -> None:
    """The same for what stands inside a refund's req_info."""
    for text in (req_info.encrypt(data, CONFIG.api_key), data.decode("latin-1")):
        try:
            req_info.decrypt(text, CONFIG.keys)
        except UndecipherableReqInfo:
            continue
    body = {"mch_id": defaults.MCH_ID, "req_info": req_info.encrypt(data, CONFIG.api_key)}
    try:
        told = notifications.parse(xml.render(body), CONFIG)
    except RejectedNotification:
        return
    if not told.out_trade_no or not told.transaction_id:
        raise Broken(repr(told))


def trade_bill(data: bytes) -> None:
    """Rows with amounts in fen, or not a whole bill."""
    _whole_bill(bills.parse_trade_bill, data)


def fund_flow(data: bytes) -> None:
    """The same for the movements of the account."""
    _whole_bill(bills.parse_fund_flow, data)


def cursor(data: bytes) -> None:
    """An instant that the tables can be asked for, and a number."""
    try:
        at, number = read_cursor(_text(data))
    except Refused as refused:
        of_refusal(refused).response()
        return
    at.astimezone(UTC)
    number.encode()
    if "\0" in number:
        raise Broken(repr(number))


def policies(data: bytes) -> None:
    """A value that means the same when it is written and read again."""
    name, _, text = _text(data).partition("=")
    try:
        value = policy.read(name, text)
    except Refused as refused:
        of_refusal(refused).response()
        return
    written = policy.as_text(value)
    if len(written) > 100 or policy.read(name, written) != value:
        raise Broken(f"{name}: {value!r} is written {written[:200]!r}")
    if isinstance(value, Decimal):
        int(value * 10**11)  # no fee takes for ever to work out


def decision(data: bytes) -> None:
    """A signal says something that the tables can hold, or is refused."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return
    actor, said = decisions.read(message, approve=True)
    written = [actor.name, said.reason if isinstance(said, Decision) else said.detail]
    for text in written:
        text.encode()
        if "\0" in text or len(text) > max(REASON_MAX, decisions.NAME_MAX):
            raise Broken(repr(text))


def settings(data: bytes) -> None:
    """Wrong settings are refused, and the refusal does not repeat them."""
    name, _, text = _text(data).partition("=")
    if name not in STRANGERS:
        return
    given: dict[str, Any] = {**NEEDED, name: text}
    try:
        made = Settings(_env_file=None, **given)
    except ValidationError as error:
        told = error.errors(include_input=False, include_url=False)[0]["msg"]
        if name != "WEBHOOK_URL" and len(text) > 40 and text in told:
            raise Broken(told) from None
        return
    if name == "API_TOKENS" and any(len(kept) != 64 for kept in made.api_tokens):
        raise Broken("a token is kept as it is")


def rest(data: bytes) -> None:
    """A body is what its fields allow, or each wrong field is named; and both can be answered."""
    for model in BODIES:
        try:
            made = model.model_validate_json(data)
        except ValidationError:
            continue
        try:
            _go_on_with(made)
        except Refused as refused:
            of_refusal(refused).response()
        made.model_dump_json().encode()


def payload(data: bytes) -> None:
    """What somebody put into Temporal opens, or is unreadable."""
    for name in (SEALER.name, data[:16]):
        sealed = Payload(metadata={"encoding": ENCODING, KEY: name}, data=data)
        try:
            SEALER.opened([sealed])
        except Unreadable:
            continue
        raise Broken("opened without a key")


def periods(data: bytes) -> None:
    """Days and amounts as people type them into addresses."""
    text = _text(data)
    try:
        statements.moment("from", text, start_of).astimezone(UTC)
    except Refused as refused:
        of_refusal(refused).response()
    visitor = SimpleNamespace(zone=UTC, principal=SimpleNamespace(scope=str))
    asked = filters.Asked(since=text, until=text, yuan_min=text, yuan_max=text)
    found = asked.filter(cast(Visitor, visitor))
    if found.fen_min is not None and not 0 <= found.fen_min < 10**14:
        raise Broken(str(found.fen_min))


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "xml": flat_xml,
    "notification": notification,
    "signed_notification": signed_notification,
    "sealed_notification": sealed_notification,
    "trade_bill": trade_bill,
    "fund_flow": fund_flow,
    "cursor": cursor,
    "policies": policies,
    "decision": decision,
    "settings": settings,
    "rest": rest,
    "payload": payload,
    "periods": periods,
}


def _whole_bill(
    parse: Callable[[bytes], bills.TradeBill] | Callable[[bytes], bills.FundFlow], data: bytes
) -> None:
    try:
        bill = parse(data)
    except MalformedBill:
        return
    if any(row.at.tzinfo is not UTC for row in bill.rows):
        raise Broken("a row without its instant")


def _text(data: bytes) -> str:
    # As a web server hands on the query of an address.
    return data.decode(errors="replace")


def _pairs(data: bytes) -> Iterator[tuple[str, str]]:
    for line in _text(data).split("\n"):
        name, equals, value = line.partition("=")
        if equals:
            yield name, value


def _go_on_with(made: BaseModel) -> Any:
    if isinstance(made, orders.OrderBody):
        return made.terms("order-1", None, policy.Policies())
    if isinstance(made, after_sales.ApplyBody):
        return made.application()
    if isinstance(made, merchants.MerchantBody):
        return made.checked_policies()
    return None
