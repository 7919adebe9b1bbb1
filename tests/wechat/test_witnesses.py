"""An independent library signs what we verify, verifies what we sign, and refunds through us."""

import random
from pathlib import Path
from typing import Any

import pytest

from simulator import defaults
from tests.simulator.certificates import certificates
from tests.simulator.harness import Shop, eventually, running, sandbox
from tests.wechat.harness import KEY, message
from tests.wechat.test_notifications import ENDED, PAID
from tests.witnesses import node
from wechat import req_info, xml
from wechat.signing import SignType, sign, signed, verify

VALUES = ["支付测试", "0", "", "a&b=c", "x y", "%7C|*@", "1" * 40, "é", "🧧", "<b>"]


@pytest.fixture(autouse=True, scope="module")
def witness() -> None:
    node.provisioned()


@pytest.fixture(scope="module")
def maps() -> list[dict[str, str]]:
    dice = random.Random(7)
    names = ["attach", "body", "coupon_fee_0", "coupon_id_12", "Case", "case", "_new", "total_fee"]
    return [{name: dice.choice(VALUES) for name in names} for _ in range(100)] + [PAID]


@pytest.mark.parametrize("sign_type", SignType)
def test_both_make_the_same_signature(maps: list[dict[str, str]], sign_type: SignType) -> None:
    tasks = [{"do": "sign", "fields": one, "key": KEY, "type": sign_type} for one in maps]
    assert node.ask(*tasks) == [sign(one, KEY, sign_type) for one in maps]


@pytest.mark.parametrize("sign_type", SignType)
def test_it_verifies_the_xml_that_we_sign(sign_type: SignType) -> None:
    bodies = [message({"attach": value}, KEY, sign_type) for value in VALUES]
    wrong = message(PAID, "x" * 32, sign_type)
    tasks = [{"do": "verify", "body": body.decode(), "key": KEY} for body in [*bodies, wrong]]
    assert node.ask(*tasks) == [True] * len(bodies) + [False]


@pytest.mark.parametrize("sign_type", SignType)
def test_we_verify_the_xml_that_it_renders(maps: list[dict[str, str]], sign_type: SignType) -> None:
    tasks = [{"do": "render", "fields": signed(one, KEY, sign_type)} for one in maps]
    read = [xml.parse(body.encode()) for body in node.ask(*tasks)]
    assert [verify(fields, [KEY], sign_type) for fields in read] == [True] * len(maps)


def test_we_open_what_it_seals_and_it_opens_what_we_seal() -> None:
    inner = [{**ENDED, "refund_recv_accout": "x" * length} for length in range(1, 18)]
    plain = [xml.render(one, root="root").decode() for one in inner]
    sealed = node.ask(*({"do": "seal", "plain": text, "key": KEY} for text in plain))
    assert [req_info.decrypt(text, [KEY]) for text in sealed] == inner
    ours = [req_info.encrypt(one, KEY) for one in inner]
    opened = node.ask(*({"do": "open", "sealed": text, "key": KEY} for text in ours))
    assert [text.rstrip("\x10") for text in opened] == plain


@pytest.mark.parametrize("sign_type", SignType)
def test_as_a_client_it_refunds_over_mutual_tls_and_believes_the_notification(
    tmp_path: Path, shop: Shop, sign_type: SignType
) -> None:
    papers = certificates(tmp_path)
    with running(sandbox(tmp_path, **papers.server_settings)) as port:
        merchant = {
            "cert": papers.merchant_cert.read_text(),
            "key": papers.merchant_key.read_text(),
            "ca": papers.authority.read_text(),
        }
        (done,) = node.ask(
            _life(f"https://127.0.0.1:{port}", shop.url, sign_type) | {"merchant": merchant},
            trust=papers.authority,
        )
        told = eventually(lambda: shop.heard)[0][1].decode()
    assert done["placed"]["prepay_id"].startswith("wx")
    assert done["accepted"]["refund_fee"] == "100"
    assert (done["state"]["out_refund_no_0"], done["state"]["refund_fee_0"]) == ("R1", "100")
    assert node.ask({"do": "verify", "body": told, "key": defaults.API_KEY}) == [True]


def _life(url: str, shop_url: str, sign_type: SignType) -> dict[str, Any]:
    head = {"appid": defaults.APPID, "mch_id": defaults.MCH_ID, "sign_type": sign_type.value}
    numbers = {"out_trade_no": "T1", "total_fee": 300}
    return {
        "do": "refund",
        "url": url,
        "secret": defaults.API_KEY,
        "order": head | numbers | {
            "body": "茶杯", "openid": "o-1", "spbill_create_ip": "127.0.0.1",
            "notify_url": shop_url, "trade_type": "JSAPI",
        },
        "refund": head | numbers | {"out_refund_no": "R1", "refund_fee": 100},
        "question": head | {"out_refund_no": "R1"},
    }  # fmt: skip
