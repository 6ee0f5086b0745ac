#!/usr/bin/env python3
"""Webhooks of Shopify and Stripe become events of nginx-referral.

    REFERRAL_KEY=whsec_... REFERRAL_URL=https://go.example.com/events \\
    SHOPIFY_SECRET=... STRIPE_SECRET=whsec_... python3 webhooks.py 127.0.0.1:8091

Shopify posts to /shopify and Stripe to /stripe; put it behind a server that
speaks TLS.  It answers when nginx has the event: what fails is sent again by
Shopify or Stripe, and counts once, because each event has an id of its own.
It needs Python 3.9 and no library.  It is meant to be changed.
"""

import base64
import datetime
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
import time
import urllib.error
import urllib.request
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_MAX = 1024 * 1024

# seconds for nginx; Shopify waits for five
TIMEOUT = 4

# how far Stripe's clock may be from ours, in seconds
TOLERANCE = 300

# currencies of ISO 4217 whose smallest part is no hundredth
DECIMALS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV"
                    " XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    "CLF": 4, "UYW": 4,
}

# decimals of Stripe's amounts where they are not those of ISO 4217
STRIPE_DECIMALS = {"ISK": 2, "UGX": 2, "MGA": 0}

CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
CLICK_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)


class Refused(Exception):
    """The webhook is none of ours."""


class Later(Exception):
    """It has to come again."""


def decimals(currency):
    return DECIMALS.get(currency, 2)


def whole(amount, currency):
    """An amount in the currency's smallest part."""
    cents = amount.scaleb(decimals(currency))

    if cents != cents.to_integral_value() or cents < 0:
        raise ValueError(f"{amount} {currency} is no amount")

    return int(cents)


def with_source(event, values):
    """The event with the click or the code that led to it."""
    click_id = str(values.get("click_id") or "")
    code = str(values.get("code") or "")

    if CLICK_ID.fullmatch(click_id):
        event["click_id"] = click_id

    if CODE.fullmatch(code):
        event["code"] = code

    return event


def without_customer(order, fields):
    """No event: a sale is a customer's.  It never comes again, so it is
    said."""
    print(f"left out: {order} is paid, and has no {fields}: a sale needs the"
          " customer's id", file=sys.stderr, flush=True)

    return []


# --- Shopify ---

def from_shopify(topic, data):
    """The events of a webhook of Shopify."""
    if topic == "orders/paid":
        customer = (data.get("customer") or {}).get("id")

        if not customer:
            return without_customer(f"Shopify's order {data['id']}",
                                    "customer")

        told = {str(one.get("name")): one.get("value")
                for one in data.get("note_attributes") or []}

        # a discount code may be the code of a link
        for discount in data.get("discount_codes") or []:
            told.setdefault("code", discount.get("code"))

        # with tax and shipping, as refunds are
        return [with_source({
            "type": "sale", "event_id": f"shopify-order-{data['id']}",
            "customer": str(customer), "order_id": str(data["id"]),
            "amount": whole(Decimal(data["total_price"]), data["currency"]),
            "currency": data["currency"],
            "at": data.get("processed_at") or data["created_at"]}, told)]

    if topic == "refunds/create":
        paid = [one for one in data.get("transactions") or []
                if one.get("kind") == "refund"
                and one.get("status") == "success"]

        if not paid:
            return []

        return [{
            "type": "refund", "event_id": f"shopify-refund-{data['id']}",
            "order_id": str(data["order_id"]),
            "amount": sum(whole(Decimal(one["amount"]), one["currency"])
                          for one in paid),
            "currency": paid[0]["currency"], "at": data["created_at"]}]

    if topic == "orders/cancelled":
        return [{
            "type": "cancel", "event_id": f"shopify-cancel-{data['id']}",
            "order_id": str(data["id"]), "at": data["cancelled_at"]}]

    return []


def check_shopify(headers, body):
    secret = os.environ.get("SHOPIFY_SECRET", "").encode()
    right = base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest())
    given = headers.get("X-Shopify-Hmac-Sha256", "").encode()

    if not secret or not hmac.compare_digest(right, given):
        raise Refused("the signature is not Shopify's")


# --- Stripe ---

def from_stripe(data):
    """The events of a webhook of Stripe."""
    what, one = data["type"], data["data"]["object"]
    at = datetime.datetime.fromtimestamp(
        data["created"], datetime.timezone.utc).isoformat()

    if what in ("checkout.session.completed",
                "checkout.session.async_payment_succeeded"):
        customer = one.get("client_reference_id") or one.get("customer")
        order = one.get("payment_intent") or one["id"]

        if one.get("payment_status") != "paid":
            return []

        if not customer:
            return without_customer(f"Stripe's order {order}",
                                    "client_reference_id or customer")

        return [with_source({
            "type": "sale", "event_id": f"stripe-{order}",
            "customer": customer, "order_id": order,
            **stripe_amount("amount", one["amount_total"], one["currency"]),
            "at": at}, one.get("metadata") or {})]

    if what == "charge.refunded":
        total = one["amount_refunded"]

        return [{
            "type": "refund", "event_id": f"stripe-refund-{one['id']}-{total}",
            "order_id": one.get("payment_intent") or one["id"],
            **stripe_amount("total_refunded", total, one["currency"]),
            "at": at}]

    return []


def stripe_amount(name, amount, currency):
    currency = currency.upper()
    parts = STRIPE_DECIMALS.get(currency, decimals(currency))

    return {name: whole(Decimal(amount).scaleb(-parts), currency),
            "currency": currency}


def check_stripe(headers, body):
    secret = os.environ.get("STRIPE_SECRET", "").encode()
    words = [word.partition("=")[::2]
             for word in headers.get("Stripe-Signature", "").split(",")]
    at = dict(words).get("t", "")
    right = hmac.new(secret, at.encode() + b"." + body,
                     hashlib.sha256).hexdigest()

    if not secret or not any(
            name == "v1" and hmac.compare_digest(right.encode(),
                                                 given.encode())
            for name, given in words):
        raise Refused("the signature is not Stripe's")

    if not at.isdecimal() or abs(time.time() - int(at)) > TOLERANCE:
        raise Refused("the signature is too old")


# --- nginx ---

def send(event):
    """Sends an event; what nginx refuses for good is said here and left."""
    secret = os.environ["REFERRAL_KEY"]
    key = base64.b64decode(secret[len("whsec_"):])
    body = json.dumps(event).encode()
    name, at = f"msg_{secrets.token_hex(12)}", f"{time.time():.0f}"
    mac = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256)
    request = urllib.request.Request(os.environ["REFERRAL_URL"], body, {
        "Content-Type": "application/json", "webhook-id": name,
        "webhook-timestamp": at, "webhook-signature":
        "v1," + base64.b64encode(mac.digest()).decode()})

    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        text = error.read().decode("utf-8", "replace")

        if error.code not in (400, 413, 422):
            raise Later(f"nginx answers {error.code}: {text}") from None

        print(f"refused, and left out: {json.dumps(event)}: {text}",
              file=sys.stderr, flush=True)
    except OSError as error:
        raise Later(f"nginx cannot be reached: {error}") from None


class Webhook(BaseHTTPRequestHandler):
    """One webhook: 200 taken, 400 not ours, 503 to be sent again."""

    timeout = 10

    def do_POST(self):
        try:
            for event in self.events():
                send(event)
        except Refused as why:
            self.answer(400, why)
        except Later as why:
            self.answer(503, why)
        except (ArithmeticError, AttributeError, KeyError, TypeError,
                ValueError) as error:
            self.answer(400, f"not understood: {error!r}")
        else:
            self.answer(200)

    def events(self):
        size = self.headers.get("Content-Length", "")

        if not size.isdecimal() or int(size) > BODY_MAX:
            raise Refused("a body of at most 1 MB, with Content-Length")

        body = self.rfile.read(int(size))

        if self.path == "/shopify":
            check_shopify(self.headers, body)
            return from_shopify(self.headers.get("X-Shopify-Topic"),
                                json.loads(body))

        if self.path == "/stripe":
            check_stripe(self.headers, body)
            return from_stripe(json.loads(body))

        raise Refused("only /shopify and /stripe are here")

    def answer(self, status, why=None):
        text = f"{why}\n".encode() if why else b""

        if why:
            print(f"{self.path}: {why}", file=sys.stderr, flush=True)

        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_request(self, *_):
        pass


def main():
    if len(sys.argv) != 2 or ":" not in sys.argv[1]:
        sys.exit(__doc__)

    for name in ("REFERRAL_KEY", "REFERRAL_URL"):
        if not os.environ.get(name):
            sys.exit(f"{name} is missing")

    host, _, port = sys.argv[1].rpartition(":")

    with ThreadingHTTPServer((host, int(port)), Webhook) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
