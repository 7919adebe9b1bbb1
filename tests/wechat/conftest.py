"""A channel for a test, and our client at its end."""

from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

from tests.simulator.harness import Shop
from tests.wechat.harness import Channel, account
from wechat.client import WeChatPay

# A busy machine must not fail a property.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def channel() -> Iterator[Channel]:
    made = Channel()
    yield made
    made.close()


@pytest.fixture
async def pay(channel: Channel) -> AsyncIterator[WeChatPay]:
    async with WeChatPay(account(base_url=channel.url, timeout_s=2)) as made:
        yield made


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.close()
