"""Bytes to WeChat Pay and back: pooled connections, one deadline, a bound, a second host."""

import asyncio
import ssl
from typing import Final

import httpx

from wechat.config import Config
from wechat.errors import Unknown

PATHS: Final = {
    "unifiedorder": "/pay/unifiedorder",
    "orderquery": "/pay/orderquery",
    "closeorder": "/pay/closeorder",
    "refund": "/secapi/pay/refund",
    "refundquery": "/pay/refundquery",
    "downloadbill": "/pay/downloadbill",
    "downloadfundflow": "/pay/downloadfundflow",
}
CERTIFIED: Final = ("refund", "downloadfundflow")

# Idle servers often hang up after 5 s; a call on such a connection would end in doubt.
_KEEPALIVE_S = 4.0
# A proxy in the environment is for the world outside, not for a simulator on this computer.
_LOOPBACK = dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]"))
_HEADERS = {
    "Accept-Encoding": "identity",
    "Content-Type": "text/xml; charset=utf-8",
    "User-Agent": "wechat-order-flow",
}


class Transport:
    """Posts a call's bytes; the client certificate is shown only where it is demanded."""

    def __init__(self, config: Config) -> None:
        self._hosts, self._timeout_s = config.hosts, config.timeout_s
        self._plain = _pool(config, certified=False)
        self._certified = _pool(config, certified=True) if config.cert_file else self._plain

    async def post(self, call: str, body: bytes, bytes_max: int) -> bytes:
        """What WeChat answers, at most `bytes_max` long. Raises Unknown."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._first_reachable(call, body, bytes_max)
        except TimeoutError as error:
            raise Unknown(call, f"no answer within {self._timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise Unknown(call, f"{type(error).__name__}: {error}") from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self._plain.aclose()
        await self._certified.aclose()

    async def _first_reachable(self, call: str, body: bytes, bytes_max: int) -> bytes:
        """Another host only where no connection was made, for then nothing was sent."""
        for host in self._hosts[:-1]:
            try:
                return await self._post(host, call, body, bytes_max)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._post(self._hosts[-1], call, body, bytes_max)

    async def _post(self, host: str, call: str, body: bytes, bytes_max: int) -> bytes:
        pool = self._certified if call in CERTIFIED else self._plain
        async with pool.stream("POST", host + PATHS[call], content=body) as reply:
            if reply.status_code != httpx.codes.OK:
                raise Unknown(call, f"HTTP {reply.status_code}")
            content = bytearray()
            async for chunk in reply.aiter_raw():
                content += chunk
                if len(content) > bytes_max:
                    raise Unknown(call, f"a reply longer than {bytes_max} bytes")
        return bytes(content)


def _pool(config: Config, *, certified: bool) -> httpx.AsyncClient:
    connect_s = config.timeout_s / (1 + len(config.hosts))
    return httpx.AsyncClient(
        headers=_HEADERS,
        mounts=_LOOPBACK,
        verify=_trust(config, certified=certified),
        timeout=httpx.Timeout(config.timeout_s, connect=connect_s),
        limits=httpx.Limits(keepalive_expiry=_KEEPALIVE_S),
    )


def _trust(config: Config, *, certified: bool) -> ssl.SSLContext:
    if config.ca_file:
        context = ssl.create_default_context(cafile=config.ca_file)
    else:
        context = httpx.create_ssl_context()
    if certified and config.cert_file:
        context.load_cert_chain(config.cert_file, config.key_file)
    return context
