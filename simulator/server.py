"""The one port: plain HTTP, or TLS where only `/secapi` demands a client certificate."""

import asyncio
import socket
import ssl

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from simulator.app import create_app
from simulator.settings import Settings, SettingsError


class Protocol(H11Protocol):
    """HTTP/1.1 that shows the application its transport: to see the client certificate, and to
    cut the connection when a fault says so."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put transport and certificate where `request.state` finds them."""
        certificate = transport.get_extra_info("peercert")
        shown = {"transport": transport, "client_certificate": certificate}
        self.app_state = {**self.app_state, **shown}
        super().connection_made(transport)


def build(settings: Settings) -> uvicorn.Server:
    """A server that is not started yet."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=Protocol,
        ws="none",
        log_level="warning",
        timeout_graceful_shutdown=1,
        ssl_certfile=settings.cert_file,
        ssl_keyfile=settings.key_file,
        ssl_ca_certs=str(settings.client_ca_file) if settings.client_ca_file else None,
        ssl_cert_reqs=ssl.CERT_OPTIONAL if settings.tls else ssl.CERT_NONE,
    )
    return uvicorn.Server(config)


def bind(settings: Settings) -> socket.socket:
    """The listening socket; raises SettingsError for a taken port or a wrong host."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio turns Nagle's delay off only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        place = f"{settings.host}:{settings.port}"
        reason = error.strerror or error
        raise SettingsError(f"SIMULATOR_HOST, SIMULATOR_PORT: {place}: {reason}") from None
    listener.set_inheritable(True)
    return listener
