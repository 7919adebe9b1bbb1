"""The V2 endpoints at their real paths: read, check, let a fault strike, do, answer, write down."""

import asyncio
import gzip
import secrets
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from simulator import bills, capture, faults, notices, notifier, orders, refunds
from simulator.capture import Exchange
from simulator.faults import HANG_SECONDS, HEADER, Answer, Strike
from simulator.messages import Fields, Refusal, Reply, check_lengths
from simulator.refunds import Course
from simulator.world import World
from wechat import xml
from wechat.errors import MalformedXML
from wechat.signing import SignType, verify

router = APIRouter()

PATHS = {
    "unifiedorder": "/pay/unifiedorder",
    "orderquery": "/pay/orderquery",
    "closeorder": "/pay/closeorder",
    "refund": "/secapi/pay/refund",
    "refundquery": "/pay/refundquery",
    "downloadbill": "/pay/downloadbill",
    "downloadfundflow": "/pay/downloadfundflow",
}
CERTIFIED = ("refund", "downloadfundflow")

Handler = Callable[[World, Fields], Reply]
HANDLERS: dict[str, Handler] = {
    "unifiedorder": orders.unifiedorder,
    "orderquery": orders.orderquery,
    "closeorder": orders.closeorder,
    "refundquery": refunds.refundquery,
}


class TransportFailure(Exception):
    """Answered by an unsigned `return_code=FAIL`."""


@dataclass
class Visit:
    """One call on its way through."""

    world: World
    call: str
    request: Request
    body: bytes
    fields: Fields = field(default_factory=dict)
    signature: str = "unread"
    strike: Strike | None = None
    verdict: str = ""

    @property
    def answer(self) -> Answer:
        """How the reply must look."""
        return self.strike.fault.answer if self.strike else Answer.NORMAL


async def serve(world: World, call: str, request: Request) -> Response:
    """Answer one V2 call; always HTTP 200, unless a fault breaks the wire."""
    started = time.perf_counter()
    visit = Visit(world, call, request, await request.body())
    try:
        _admit(visit)
        content = await _perform(visit)
    except TransportFailure as failure:
        visit.verdict = f"FAIL {failure}"
        content = xml.render({"return_code": "FAIL", "return_msg": str(failure)})
    _write_down(visit, content, started)
    return await _send(visit, content)


async def replay(world: World, call: str, request: Request, body: bytes) -> bytes:
    """Send an earlier call once more, as the merchant would; no fault strikes it."""
    started = time.perf_counter()
    visit = Visit(world, call, request, body)
    try:
        _admit(visit)
        visit.strike = None
        content = await _perform(visit)
    except TransportFailure as failure:
        visit.verdict = f"FAIL {failure}"
        content = xml.render({"return_code": "FAIL", "return_msg": str(failure)})
    _write_down(visit, content, started)
    return content


def _admit(visit: Visit) -> None:
    """Parse, check the signature, and see whether a fault strikes."""
    if visit.request.method != "POST" and not visit.body:
        raise TransportFailure("require POST method")
    try:
        visit.fields = xml.parse(visit.body)
    except MalformedXML:
        raise TransportFailure("XML格式错误") from None
    settings = visit.world.settings
    if visit.fields.get("mch_id") != settings.mch_id:
        raise TransportFailure("商户号mch_id不存在")
    claimed = len(visit.fields.get("sign", ""))
    if not verify(visit.fields, [settings.api_key], _sign_type(visit.fields)):
        visit.signature = "wrong" if claimed else "missing"
        raise TransportFailure("签名错误")
    visit.signature = f"right ({'HMAC-SHA256' if claimed == 64 else 'MD5'})"
    header = visit.request.headers.get(HEADER, "")
    with visit.world.store.transaction():
        visit.strike = faults.strike(visit.world, visit.call, visit.fields, header)


def _sign_type(fields: Fields) -> SignType:
    try:
        return SignType(fields.get("sign_type") or "MD5")
    except ValueError:
        raise TransportFailure("签名类型错误") from None


async def _perform(visit: Visit) -> bytes:
    """Do what was asked, as far as the fault lets it, and word the reply."""
    if visit.call in ("downloadbill", "downloadfundflow"):
        return _bill(visit)
    try:
        reply = await _do(visit)
    except Refusal as refusal:
        return _business_error(visit, refusal)
    visit.verdict = "SUCCESS"
    return _business_reply(visit, {"result_code": "SUCCESS", **reply})


async def _do(visit: Visit) -> Reply:
    _check_identity(visit)
    struck = visit.strike
    if struck and struck.fault.answer is Answer.FAIL:
        raise TransportFailure("系统繁忙，请稍后再试")
    if struck and not struck.fault.done:
        raise Refusal(struck.err_code or struck.fault.err_code or "SYSTEMERROR", "模拟故障")
    if visit.call == "refund":
        reply = await _refund(visit)
    else:
        with visit.world.store.transaction():
            reply = HANDLERS[visit.call](visit.world, visit.fields)
    if struck and struck.fault.err_code:
        raise Refusal(struck.fault.err_code, "系统错误，请重试")
    return reply


def _check_identity(visit: Visit) -> None:
    if visit.fields.get("appid") != visit.world.settings.appid:
        raise Refusal("APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
    if not visit.fields.get("nonce_str"):
        raise Refusal("PARAM_ERROR", "缺少参数: nonce_str")
    check_lengths(visit.fields)
    if not _certified(visit):
        raise Refusal("CERT_ERROR", "证书校验错误")


def _certified(visit: Visit) -> bool:
    if visit.call not in CERTIFIED or not visit.world.settings.tls:
        return True
    return bool(getattr(visit.request.state, "client_certificate", None))


async def _refund(visit: Visit) -> Reply:
    world, struck = visit.world, visit.strike
    course = Course()
    if struck and struck.fault.ending:
        slow = 86_400.0 if struck.name == "refund_slow" else None
        course = Course(struck.fault.ending, struck.seconds if struck.seconds is not None else slow)
    with world.quota.counted(world.clock.tick()), world.store.transaction():
        reply = refunds.refund(world, visit.fields, course)
    if struck and struck.name == "notify_early":
        await _finish_first(world, visit.fields["out_refund_no"])
    return reply


async def _finish_first(world: World, out_refund_no: str) -> None:
    one = refunds.find(world, out_refund_no)
    if one and one.state == "PROCESSING":
        refunds.finish(world, out_refund_no, one.ending)
        await notifier.deliver_now(world, out_refund_no)


def _bill(visit: Visit) -> bytes:
    struck = visit.strike
    try:
        if not _certified(visit):
            raise bills.BillError("CERT_ERROR")
        if struck and not struck.fault.done:
            raise bills.BillError(struck.fault.err_code or "SYSTEMERROR")
        text = bills.download(visit.world, visit.call, visit.fields)
    except bills.BillError as error:
        visit.verdict = f"FAIL {error}"
        return xml.render(
            {"return_code": "FAIL", "return_msg": str(error), "error_code": error.error_code}
        )
    visit.verdict = "SUCCESS"
    content = text.encode()
    return gzip.compress(content) if visit.fields.get("tar_type") == "GZIP" else content


def _business_error(visit: Visit, refusal: Refusal) -> bytes:
    visit.verdict = f"{refusal.err_code} {refusal.err_code_des}"
    return _business_reply(
        visit,
        {
            "result_code": "FAIL",
            "err_code": refusal.err_code,
            "err_code_des": refusal.err_code_des,
        },
    )


def _business_reply(visit: Visit, reply: Reply) -> bytes:
    settings = visit.world.settings
    whole: Reply = {
        "return_code": "SUCCESS",
        "return_msg": "OK",
        "appid": settings.appid,
        "mch_id": settings.mch_id,
        # WeChat adds fields without notice; a client must sign what it doesn't know.
        f"sim_extra_{secrets.randbelow(10)}": secrets.token_hex(3),
    }
    key = secrets.token_hex(16) if visit.answer is Answer.BAD_SIGN else settings.api_key
    return notices.render_signed(whole | reply, key, visit.fields.get("sign_type") or "MD5")


def _write_down(visit: Visit, content: bytes, started: float) -> None:
    number = visit.fields.get("out_refund_no") or visit.fields.get("out_trade_no") or ""
    shown = content
    if content[:2] == b"\x1f\x8b":
        shown = gzip.decompress(content)
    broken = visit.answer not in (Answer.NORMAL, Answer.ERROR, Answer.FAIL, Answer.BAD_SIGN)
    note = f"[on the wire: {visit.answer}]\n" if broken else ""
    capture.keep(
        visit.world,
        Exchange(
            "in", visit.call, visit.request.url.path, number,
            visit.body.decode(errors="replace"), note + shown.decode(errors="replace"),
            visit.signature, visit.verdict, visit.strike.name if visit.strike else "",
            took_ms=round((time.perf_counter() - started) * 1000),
        ),
    )  # fmt: skip


async def _send(visit: Visit, content: bytes) -> Response:
    seconds = visit.strike.seconds if visit.strike else None
    match visit.answer:
        case Answer.RESET:
            return _reset(visit.request)
        case Answer.HANG:
            await _hang(visit.request, HANG_SECONDS if seconds is None else seconds)
            return _reset(visit.request)
        case Answer.EMPTY:
            content = b""
        case Answer.MALFORMED:
            content = content[: len(content) // 2]
        case Answer.GARBAGE:
            content = secrets.token_bytes(256)
        case Answer.DRIP:
            return StreamingResponse(
                _drip(content, 1.0 if seconds is None else seconds), media_type="text/plain"
            )
    return Response(content, media_type="text/plain")


async def _hang(request: Request, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not await request.is_disconnected():
        await asyncio.sleep(0.1)


async def _drip(content: bytes, seconds: float) -> AsyncIterator[bytes]:
    for byte in content:
        yield bytes([byte])
        await asyncio.sleep(seconds)


def _reset(request: Request) -> Response:
    """Cut the connection with a TCP reset; what is returned reaches nobody."""
    transport: asyncio.Transport = request.state.transport
    if not transport.is_closing():
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return Response()


def _route(call: str, path: str) -> None:
    async def endpoint(request: Request) -> Response:
        return await serve(request.app.state.world, call, request)

    router.add_api_route(path, endpoint, methods=["POST", "GET"], name=call, tags=["V2"])


for _call, _path in PATHS.items():
    _route(_call, _path)
