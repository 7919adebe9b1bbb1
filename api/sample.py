"""The original article's sample notification, paid now: the first thing its readers try."""

import hashlib
from datetime import UTC, datetime

import httpx

from api import workflows
from api.context import Context
from api.problems import Problem
from api.workflows import Ended
from domain.messages import OrderStart, Place
from domain.terms import Line, Terms
from domain.timeline import Actor
from wechat import xml
from wechat.signing import nonce, signed
from wechat.times import to_compact

OUT_TRADE_NO = "2020vEPk8sib229F1rDkRgGhPh"
TRANSACTION_ID = "4200000728202011097892062758"
OPENID = "o-hrq0EVYOTJHX9MWqk-LF-_KL0o"
ATTACH = "支付测试"
MERCHANT_ID = "m1"


async def notification(context: Context) -> bytes:
    """The sample, signed with the sandbox's key; its order and payment exist from here on."""
    await _place(context)
    await _pay(context)
    now = datetime.now(UTC)
    fields: dict[str, str] = {
        "appid": context.wechat.appid,
        "attach": ATTACH,
        "bank_type": "OTHERS",
        "cash_fee": "1",
        "fee_type": "CNY",
        "is_subscribe": "Y",
        "mch_id": context.wechat.mch_id,
        "nonce_str": nonce(),
        "openid": OPENID,
        "out_trade_no": OUT_TRADE_NO,
        "result_code": "SUCCESS",
        "return_code": "SUCCESS",
        "time_end": to_compact(now),
        "total_fee": "1",
        "trade_type": "JSAPI",
        "transaction_id": TRANSACTION_ID,
    }
    whole = signed(fields, context.wechat.api_key, context.wechat.sign_type)
    bare_number: dict[str, str | int] = {**whole, "total_fee": 1}
    return xml.render(bare_number)


async def _place(context: Context) -> None:
    terms = Terms(
        out_trade_no=OUT_TRADE_NO,
        merchant_id=MERCHANT_ID,
        openid=OPENID,
        description="the article's sample",
        lines=(Line("sample", "支付测试", 1, 1),),
        freight=0,
        attach=ATTACH,
        policies=context.settings.policies,
    )
    fingerprint = hashlib.sha256(OUT_TRADE_NO.encode()).hexdigest()
    start = OrderStart(terms, fingerprint, applies_for_sure=True)
    ask = Place(Actor("sample", "sandbox"), fingerprint)
    try:
        await workflows.place(context, start, ask, fingerprint)
    except Ended:
        return  # it was played to its end before


async def _pay(context: Context) -> None:
    paid = {
        "out_trade_no": OUT_TRADE_NO,
        "transaction_id": TRANSACTION_ID,
        "openid": OPENID,
        "total_fee": 1,
        "notify": False,
    }
    url = context.settings.wechat_base_url.rstrip("/") + "/_control/pay"
    try:
        async with httpx.AsyncClient(timeout=5) as simulator:
            (await simulator.post(url, json=paid)).raise_for_status()
    except httpx.HTTPError as error:
        raise Problem(503, "simulator_unavailable", f"the simulator is away: {error}") from None
