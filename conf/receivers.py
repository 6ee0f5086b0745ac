#!/usr/bin/env python3
"""Receivers of nginx-referral's webhooks: a chat, two CRMs, gift cards.

    HOOK_SECRET=whsec_... CHAT_URL=https://chat.example.com/incoming/T1 \\
        python3 receivers.py 127.0.0.1:8092 /var/lib/receivers/ids.sqlite

    path         what goes out                              its variables
    /chat        a line of text, as Slack takes it          CHAT_URL
    /hubspot     properties of a contact                    HUBSPOT_URL, HUBSPOT_TOKEN
    /salesforce  fields of a contact, by an external id     SALESFORCE_URL, SALESFORCE_TOKEN
    /giftcard    an order of a gift card                    GIFT_URL, GIFT_TOKEN

Put it behind a server that speaks TLS, and make an endpoint for each path that
you use; each has a secret, which HOOK_SECRET lists with blanks between them.
It answers 2xx when the other side has taken it: what fails is sent again by
the relay.  Ids that were taken are kept, so each counts once.  It needs Python
3.9 and no library.  It is meant to be changed.
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_MAX = 65536
TIMEOUT = 10
TOLERANCE = 300


class Refused(Exception):
    """It is none of ours."""


def verify(secrets, headers, body):
    """By Standard Webhooks."""
    name, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp",
                                                          "")
    given = headers.get("webhook-signature", "").encode().split()

    for secret in secrets:
        key = base64.b64decode(secret[len("whsec_"):])
        mac = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256)
        right = b"v1," + base64.b64encode(mac.digest())

        if any(hmac.compare_digest(right, one) for one in given):
            if at.isdecimal() and abs(time.time() - int(at)) <= TOLERANCE:
                return

    raise Refused("the signature is not right, or too old")


def send(url, value, token="", method="POST", **headers):
    """JSON to a service; raises OSError if it does not take it."""
    headers = {name.replace("_", "-"): text for name, text in headers.items()}
    headers["Content-Type"] = "application/json"

    if token:
        headers["Authorization"] = f"Bearer {token}"

    request = urllib.request.Request(url, json.dumps(value).encode(), headers,
                                     method=method)

    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        answer.read()


def money(data):
    """500 EUR of cents as 5.00 EUR; units without decimals may be added."""
    whole = {"JPY": 0, "KRW": 0}.get(data["unit"], 2)
    text = f"{data['amount']:0{whole + 1}d}"
    text = f"{text[:-whole]}.{text[-whole:]}" if whole else text

    return f"{text} {data['unit']}"


# --- where it goes; each gets the id, the type and the data ---

def chat(_, kind, data):
    """What people like to read, and nothing else."""
    said = {
        "referral.joined": "{referrer} brought {customer}",
        "reward.available": "{customer} gets {money} ({rule})",
        "tier.reached": "{customer} is {tier} now",
        "badge.earned": "{customer} has the badge {badge}",
        "review.opened": "{customer} has to be looked at",
    }.get(kind)

    if said:
        known = {"referrer": "?", "customer": "?", **data}
        known["money"] = money(data) if "amount" in data else ""
        text = said.format(**known)

        # chats give a meaning to these
        for mark, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(mark, name)

        send(os.environ["CHAT_URL"], {"text": text})


def contact(kind, data):
    """What a CRM keeps of a customer."""
    if kind == "referral.joined":
        return {"referred_by": data.get("referrer"),
                "referral_code": data.get("code")}

    if kind == "tier.reached":
        return {"referral_tier": data["tier"]}

    if kind == "reward.available":
        return {"referral_last_reward": money(data),
                "referral_last_rule": data["rule"]}

    return {}


def hubspot(_, kind, data):
    properties = contact(kind, data)

    if properties and data.get("customer"):
        send(f"{os.environ['HUBSPOT_URL']}/crm/v3/objects/contacts/"
             + urllib.parse.quote(data["customer"], safe="")
             + "?idProperty=customer_id", {"properties": properties},
             os.environ["HUBSPOT_TOKEN"], "PATCH")


def salesforce(_, kind, data):
    fields = {f"{name.title()}__c": text
              for name, text in contact(kind, data).items()}

    if fields and data.get("customer"):
        send(f"{os.environ['SALESFORCE_URL']}/services/data/v59.0/sobjects/"
             "Contact/Customer_Id__c/"
             + urllib.parse.quote(data["customer"], safe=""), fields,
             os.environ["SALESFORCE_TOKEN"], "PATCH")


def giftcard(name, kind, data):
    """One card for a reward: the service takes an order once by its key, also
    if this process dies before it has noted that."""
    if kind == "reward.available" and data.get("customer"):
        send(os.environ["GIFT_URL"], {
            "external_id": name, "recipient": data["customer"],
            "value": {"amount": data["amount"], "currency": data["unit"]},
        }, os.environ["GIFT_TOKEN"], Idempotency_Key=name)


PATHS = {"/chat": chat, "/hubspot": hubspot, "/salesforce": salesforce,
         "/giftcard": giftcard}


class Taken:
    """The ids that each path took."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.db = sqlite3.connect(path, check_same_thread=False)
        self.db.execute("CREATE TABLE IF NOT EXISTS taken"
                        " (path TEXT, id TEXT, PRIMARY KEY (path, id))")

    def has(self, path, name):
        with self.lock:
            return bool(self.db.execute(
                "SELECT 1 FROM taken WHERE path = ? AND id = ?",
                (path, name)).fetchone())

    def add(self, path, name):
        with self.lock, self.db:
            self.db.execute("INSERT OR IGNORE INTO taken VALUES (?, ?)",
                            (path, name))


class Receiver(BaseHTTPRequestHandler):
    """204 taken, 400 not ours, 503 to be sent again."""

    timeout = 20

    def do_POST(self):
        try:
            self.take()
        except Refused as why:
            self.answer(400, why)
        except (OSError, sqlite3.Error) as why:
            self.answer(503, f"the other side did not take it: {why!r}")
        except (ArithmeticError, AttributeError, KeyError, TypeError,
                ValueError) as error:
            self.answer(400, f"not understood: {error!r}")
        else:
            self.answer(204)

    def take(self):
        size = self.headers.get("Content-Length", "")

        if self.path not in PATHS or not size.isdecimal() or (
                int(size) > BODY_MAX):
            raise Refused(f"one of {', '.join(PATHS)}, at most 64 KB")

        body = self.rfile.read(int(size))
        verify(os.environ["HOOK_SECRET"].split(), self.headers, body)
        name, message = self.headers["webhook-id"], json.loads(body)

        if not TAKEN.has(self.path, name):
            PATHS[self.path](name, message["type"], message["data"])
            TAKEN.add(self.path, name)

    def answer(self, status, why=None):
        if why:
            print(f"{self.path}: {why}", file=sys.stderr, flush=True)

        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, *_):
        pass


if __name__ == "__main__":
    if len(sys.argv) != 3 or ":" not in sys.argv[1]:
        sys.exit(__doc__)

    if not os.environ.get("HOOK_SECRET"):
        sys.exit("HOOK_SECRET is missing")

    TAKEN = Taken(sys.argv[2])
    HOST, _, PORT = sys.argv[1].rpartition(":")

    with ThreadingHTTPServer((HOST, int(PORT)), Receiver) as server:
        server.serve_forever()
