"""Payloads that Temporal keeps, readable only with a key: AES-256-GCM under the first of ours."""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
)

from workflows.payloads import Payloads

ENCODING: Final = b"binary/encrypted"
"""As Temporal's own examples call it; its UI and CLI know it."""
KEY: Final = "encryption-key-id"
NONCE_BYTES: Final = 12


class Unreadable(Exception):
    """Sealed with a key that is not here, or not sealed by us."""


class Sealer(PayloadCodec):
    """Seals with the first key, opens with any; without keys it seals nothing.

    What is not sealed passes: runs that began before there was a key go on, and people signal in
    plain JSON.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Each key has 32 bytes."""
        self._keys = {_name(key): AESGCM(key) for key in keys}
        self.name = next(iter(self._keys), b"")
        """Of the key that seals; it stands beside what is sealed, and tells nothing of the key."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """The same, sealed."""
        return [self.seal(payload) for payload in payloads] if self.name else list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """The same, opened; raises Unreadable."""
        return self.opened(payloads)

    def seal(self, payload: Payload) -> Payload:
        """One payload, its metadata included."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._keys[self.name].encrypt(nonce, payload.SerializeToString(), ENCODING)
        return Payload(metadata={"encoding": ENCODING, KEY: self.name}, data=nonce + sealed)

    def opened(self, payloads: Iterable[Payload]) -> list[Payload]:
        """Those that are sealed, opened; raises Unreadable."""
        return [
            self._open(one) if one.metadata.get("encoding") == ENCODING else one for one in payloads
        ]

    def _open(self, payload: Payload) -> Payload:
        name = payload.metadata.get(KEY, b"")
        cipher = self._keys.get(name)
        if cipher is None:
            said = name[:32].decode(errors="replace")
            raise Unreadable(
                f"PAYLOAD_KEYS: the key {said!r}, which sealed this, is not among them"
            )
        nonce, sealed = payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, sealed, ENCODING))
        except (InvalidTag, ValueError, DecodeError):
            raise Unreadable("PAYLOAD_KEYS: a sealed payload was changed or cut") from None


def data_converter(keys: Sequence[bytes]) -> DataConverter:
    """Data as the workflows write it; with keys, what failures say is sealed too."""
    readable = DataConverter(payload_converter_class=Payloads, payload_codec=Sealer(keys))
    if not keys:
        return readable
    return dataclasses.replace(
        readable, failure_converter_class=DefaultFailureConverterWithEncodedAttributes
    )


def _name(key: bytes) -> bytes:
    return hashlib.sha256(b"payload key " + key).hexdigest()[:16].encode()
