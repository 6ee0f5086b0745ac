"""Signatures of webhooks, by Standard Webhooks 1.0."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Iterable

PREFIX = "whsec_"


def key_of(secret: str) -> bytes | None:
    """The bytes of whsec_BASE64; None if it is none."""
    if not secret.startswith(PREFIX):
        return None

    try:
        key = base64.b64decode(secret[len(PREFIX):], validate=True)
    except (binascii.Error, ValueError):
        return None

    return key if 24 <= len(key) <= 64 else None


def signatures(keys: Iterable[bytes], name: str, at: int, body: bytes) -> str:
    """The header: one signature for each key, the newest key's first."""
    signed = f"{name}.{at}.".encode() + body

    return " ".join("v1," + base64.b64encode(
        hmac.new(key, signed, hashlib.sha256).digest()).decode()
        for key in keys)
