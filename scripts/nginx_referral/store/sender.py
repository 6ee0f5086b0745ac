"""Sends events to nginx's referral_convert, signed as Standard Webhooks are,
until they are kept."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any, Callable
from urllib.parse import urlsplit

from ..text.problem import REDIS, REFUSED, USAGE, Problem

TIMEOUT = 30

# seconds between two tries, at most
LONGEST_WAIT = 30

# bytes of a key, as referral_convert_keys takes it
KEY_MIN = 24
KEY_MAX = 64

# answers that another try may change
PASSING = (425, 429, 500, 502, 503, 504)

JSON_TYPE = "application/json"
LINES_TYPE = "application/x-ndjson"

# what to do about an answer that is no result of an event
ADVICE = {
    401: "is the key in --key-file one of those in referral_convert_keys, and"
         " has nginx been reloaded since; is this machine's clock right?",
    403: "does the location let this machine in?",
    404: "is the URL that of referral_convert, and is there this program?",
    405: "is the URL that of referral_convert?",
    413: "client_max_body_size of nginx has to be 1m",
}


@dataclass
class Answer:
    """What nginx said: the status, and its JSON."""

    status: int
    told: dict[str, Any]


def read_key(path: str, program: str) -> bytes:
    """The secret of a file: whsec_… alone, or the program's first line as in
    nginx's referral_convert_keys."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = [line.split() for line in file
                     if line.strip() and not line.lstrip().startswith("#")]
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise Problem(USAGE, f"the key file cannot be read: {why}") from None

    for words in lines:
        if len(words) == 1 or (len(words) == 3 and words[0] == program):
            return decode(words[-1])

    raise Problem(USAGE, f"the key file has no key of program {program}: a"
                  " line is \"PROGRAM KEY_ID whsec_SECRET\", or whsec_SECRET"
                  " alone")


def decode(text: str) -> bytes:
    """What nginx takes as a key, and nothing else: with another one nothing
    that is signed would be believed."""
    secret = text[len("whsec_"):]
    padded = secret + "=" * (-len(secret) % 4)

    try:
        key = base64.b64decode(padded, validate=True)
    except (ValueError, binascii.Error):
        key = b""

    # b64decode() passes over bits that belong to no byte
    if (not text.startswith("whsec_")
            or base64.b64encode(key).decode() != padded):
        raise Problem(USAGE, "the key in the key file is not \"whsec_\" and"
                      " base64 behind it, of A-Z a-z 0-9 + /")

    if not KEY_MIN <= len(key) <= KEY_MAX:
        raise Problem(USAGE, f"the key in the key file has {len(key)} bytes;"
                      f" it has {KEY_MIN} to {KEY_MAX}")

    return key


class Sender:
    """One connection to nginx, opened again when it breaks.  Without a key
    nothing is signed: the location itself lets this machine in."""

    def __init__(self, url: str, key: bytes | None, patience: int,
                 waits: Callable[[str], None]) -> None:
        parts = urlsplit(url)

        try:
            good = (parts.scheme in ("http", "https") and parts.hostname
                    and (parts.port or 1) > 0
                    and not re.search(r"[\s\x00-\x1f]", url))
        except ValueError:
            good = None

        if not good or not parts.hostname:
            raise Problem(USAGE, "the URL is not understood; give that of"
                          " nginx's referral_convert, like"
                          " https://go.example.com/events, with --url or in"
                          " REFERRAL_CONVERT_URL")

        self.url = url
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query
                                           else "")
        self.key = key
        self.patience = patience
        self.waits = waits
        self.connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection if parts.scheme == "https"
            else http.client.HTTPConnection)(
                parts.hostname, parts.port, timeout=TIMEOUT)

    def send(self, body: bytes, kind: str) -> Answer:
        """Posts until there is an answer that stays; it may be a refusal."""
        end = time.monotonic() + self.patience
        pause = 1.0
        told = ""

        while True:
            answer: Answer | None
            why, after = "", 0.0

            try:
                answer, after = self._post(body, kind)

                if answer.status not in PASSING:
                    return self._checked(answer)

                why = (f"nginx answers {answer.status}:"
                       f" {answer.told.get('detail', 'it says no more')}")
            except (OSError, http.client.HTTPException) as error:
                self.connection.close()
                why = f"nginx cannot be reached at {self.url}: {error}"

            wait = min(max(after, pause), LONGEST_WAIT)

            if time.monotonic() + wait > end:
                raise Problem(REDIS, f"{why}; given up after"
                              f" {self.patience} s")

            if why != told:
                self.waits(f"{why}; trying again")
                told = why

            time.sleep(wait)
            pause *= 2

    def _post(self, body: bytes, kind: str) -> tuple[Answer, float]:
        """One try: the answer, and after how many seconds to come again."""
        headers = {"Content-Type": kind, **self._signature(body)}

        self.connection.request("POST", self.path, body, headers)

        with self.connection.getresponse() as reply:
            text = reply.read()
            after = reply.headers.get("Retry-After", "")

            try:
                told = json.loads(text)
            except ValueError:
                told = None

            return (Answer(reply.status,
                           told if isinstance(told, dict) else {}),
                    float(after) if after.isdecimal() else 0)

    def _signature(self, body: bytes) -> dict[str, str]:
        """Made anew for each try: it holds for five minutes."""
        if self.key is None:
            return {}

        name, at = f"msg_{secrets.token_hex(12)}", f"{time.time():.0f}"
        mac = hmac.new(self.key, f"{name}.{at}.".encode() + body,
                       hashlib.sha256)

        return {"webhook-id": name, "webhook-timestamp": at,
                "webhook-signature":
                    "v1," + base64.b64encode(mac.digest()).decode()}

    def _checked(self, answer: Answer) -> Answer:
        """Raises a problem for what is no answer about events."""
        status, told = answer.status, answer.told

        if status in (200, 202) and told:
            return answer

        if status in (400, 422) and told.get("code"):
            return answer

        detail = told.get("detail") or "it says no more"
        advice = ADVICE.get(status, "is the URL that of referral_convert?")

        if status == 401 and self.key is None:
            advice = ("the location wants signatures: give the key with"
                      " --key-file, or in REFERRAL_CONVERT_KEY_FILE")

        raise Problem(REFUSED, f"nginx refuses with {status}: {detail};"
                      f" {advice}")
