"""The sandbox's credentials and addresses: what the simulator assumes when nothing is set.

They open nothing at the real WeChat Pay. Import-free, so that any tool may read them.
"""

from typing import Final

APPID: Final = "wx2421b1c4370ec43b"
MCH_ID: Final = "1410138302"
API_KEY: Final = "sandbox0key0of0wechat0order0flow"
HOST: Final = "127.0.0.1"
PORT: Final = 8001
DATABASE: Final = "data/simulator.db"
PUBLIC_URL: Final = "http://127.0.0.1:8000"
PAY_NOTIFY_PATH: Final = "/apis/pay_notify"
REFUND_NOTIFY_PATH: Final = "/apis/refund_notify"
