"""Task queues: orders for the business, one for WeChat Pay's calls, so that their rate is held."""

ORDERS = "orders"
CHANNEL = "wechat-pay"
