"""The encrypted part of a refund notification.

base64 over AES-256-ECB with PKCS7; the key is the lower-case MD5 hex text of the API key. ECB has
no integrity and the message no signature, so what comes out is a hint: confirm it by refundquery.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.padding import PKCS7

from wechat import xml
from wechat.errors import UndecipherableReqInfo

__all__ = ["UndecipherableReqInfo", "decrypt", "encrypt"]


def encrypt(plain: bytes | Mapping[str, str | int], key: str) -> str:
    """`req_info` as WeChat makes it, from the inner XML or its fields."""
    inner = plain if isinstance(plain, bytes) else xml.render(plain, root="root")
    padder = PKCS7(128).padder()
    padded = padder.update(inner) + padder.finalize()
    encryptor = _cipher(key).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def decrypt(text: str, keys: Sequence[str]) -> dict[str, str]:
    """The fields inside, opened with the first key that fits (current, then previous).

    Raises UndecipherableReqInfo.
    """
    try:
        sealed = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UndecipherableReqInfo("req_info is not base64") from error
    for key in keys:
        try:
            return xml.parse(_open(sealed, key), root="root")
        except ValueError:
            continue
    raise UndecipherableReqInfo("req_info does not open with our API key")


def _open(sealed: bytes, key: str) -> bytes:
    decryptor = _cipher(key).decryptor()
    padded = decryptor.update(sealed) + decryptor.finalize()
    # Some senders leave the padding out where the text fills its blocks.
    if not padded.endswith(b">"):
        unpadder = PKCS7(128).unpadder()
        padded = unpadder.update(padded) + unpadder.finalize()
    return padded


def _cipher(key: str) -> Cipher[ECB]:
    hashed = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    return Cipher(AES256(hashed.encode()), ECB())
