#!/usr/bin/python3
"""The demo's shop: takes orders, and tells nginx of them in three ways.

    REFERRAL_KEY=whsec_... REFERRAL_URL=http://127.0.0.1:8088/events \\
    REFERRAL_REDIS=127.0.0.1:8089 python3 shop.py 127.0.0.1:8090

nginx is in front of it, makes the pages, and says in X-Referral-Click-Id
which click the visitor came by.  scripts/demo starts it.  The order's id comes
with the form, so that a form that is sent twice is one order.
"""

import base64
import hashlib
import hmac
import html
import json
import os
import re
import secrets
import sys
import time
import urllib.error
import urllib.request
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode

import redis

PROGRAM = "juniper"

# four bags of coffee, in cents: enough for the rewards of shop.rules
PRICE, CURRENCY = 4 * 1490, "EUR"

BODY_MAX = 4096

# entries of the stream that are looked through, and those that are shown
LOOK, SHOW = 500, 8

ID = re.compile(r"[0-9a-f]{32}")
CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
PLACE = re.compile(r"/(en|ja|pt|de)/"
                   r"(buy|join|(?:numbers|wallets)/[!-~]{1,128})")

# the states of a reward; the first two are always shown
STATES = {
    "pending": {"en": "Waiting", "ja": "確定前", "pt": "Aguardando",
                "de": "Wartet"},
    "available": {"en": "To use", "ja": "利用可能", "pt": "Para usar",
                  "de": "Einlösbar"},
    "reserved": {"en": "In an order", "ja": "注文で使用中",
                 "pt": "Em um pedido", "de": "In Bestellung"},
    "spent": {"en": "Used", "ja": "使用済み", "pt": "Usado",
              "de": "Eingelöst"},
    "expired": {"en": "Expired", "ja": "期限切れ", "pt": "Vencido",
                "de": "Verfallen"},
    "cancelled": {"en": "Taken back", "ja": "取り消し", "pt": "Cancelado",
                  "de": "Zurückgenommen"},
}

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


class Failed(Exception):
    """nginx does not have the event."""


# --- nginx ---

def send(event, media):
    """Sends an event until nginx has it."""
    key = base64.b64decode(os.environ["REFERRAL_KEY"][len("whsec_"):])
    body = (json.dumps(event) if media == JSON else urlencode(event)).encode()
    why = None

    for wait in (0, 0.5, 1):
        time.sleep(wait)

        name, at = f"msg_{secrets.token_hex(12)}", f"{time.time():.0f}"
        mac = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256)
        request = urllib.request.Request(os.environ["REFERRAL_URL"], body, {
            "Content-Type": media, "webhook-id": name,
            "webhook-timestamp": at, "webhook-signature":
            "v1," + base64.b64encode(mac.digest()).decode()})

        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                answer.read()
                return
        except urllib.error.HTTPError as error:
            why = error.read().decode("utf-8", "replace")

            if error.code == 422 and json.loads(why)["code"] == "id_reused":
                # the order was sent before, in another of the ways
                return

            if error.code < 500:
                break
        except OSError as error:
            why = error

    raise Failed(why)


def lead(customer):
    return {"type": "lead", "event_id": f"{customer}-joined",
            "customer": customer}


def sale(customer, order):
    return {"type": "sale", "event_id": f"order-{order}-paid",
            "customer": customer, "order_id": order, "amount": PRICE,
            "currency": CURRENCY}


# --- what the pages show ---

def open_redis():
    host, _, port = os.environ["REFERRAL_REDIS"].rpartition(":")

    return redis.Redis(host=host, port=int(port), decode_responses=True,
                       socket_timeout=5)


def money(lang, cents):
    text = f"{'-' * (cents < 0)}{abs(cents) // 100}.{abs(cents) % 100:02d}"

    return (text.replace(".", ",") if lang in ("pt", "de") else text) + "\u00a0€"


def row(cells):
    return "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>"
                            for cell in cells) + "</tr>\n"


def number_of(store, who):
    """The number that stands for a customer in Redis; None: not known yet."""
    person = store.hget(f"ref:person:{{{PROGRAM}}}", who) if who else None

    return person.split()[0] if person else None


def wallets(store, lang, people):
    """The body of a table: what each of these people has, by state."""
    sums = []

    for who in people:
        number = number_of(store, who)
        sums.append(store.hgetall(f"ref:wallet:{{{PROGRAM}}}:{number}")
                    if number else {})

    rows = []

    for state, words in STATES.items():
        field = f"{CURRENCY}:{state}"

        if state in ("pending", "available") or any(field in has
                                                    for has in sums):
            cells = "".join(
                f"<td>{money(lang, int(has[field])) if field in has else ''}"
                "</td>" for has in sums)
            rows.append(f'<tr><th scope="row">{words[lang]}</th>{cells}</tr>\n')

    return f"<tbody>\n{''.join(rows)}</tbody>\n"


def numbers(store, lang, referrer):
    """Two bodies of tables: the sums, and the latest entries."""
    key = "{" + PROGRAM + "}"
    clicks = store.zscore(f"ref:board:{key}:referrers:clicks", referrer)
    number = number_of(store, referrer)
    sums, entries = {}, []

    if number:
        sums = store.hgetall(f"ref:progress:{key}:{number}")
        entries = [entry for _, entry in
                   store.xrevrange(f"ref:conversions:{key}", count=LOOK)
                   if entry.get("referrer") == number]

    counts = row([int(clicks or 0), sums.get("leads", 0), sums.get("sales", 0),
                  money(lang, int(sums.get(f"amount:{CURRENCY}", 0)))])

    said = "".join(
        row([time.strftime("%H:%M:%S",
                           time.localtime(int(entry["time"]) / 1000)),
             entry["type"], entry["trust"], entry["via"], entry["code"],
             money(lang, int(entry["amount"]))
             if entry["amount"] and entry["unit"] == CURRENCY else ""])
        for entry in entries[:SHOW])

    return f"<tbody>\n{counts}</tbody>\n", f"<tbody>\n{said}</tbody>\n"


class Shop(BaseHTTPRequestHandler):
    """Answers nginx, one request a connection."""

    timeout = 30

    def place(self):
        path, _, self.query = self.path.partition("?")
        place = PLACE.fullmatch(path)

        return place.groups() if place else (None, None)

    def do_GET(self):
        lang, what = self.place()
        kind, _, referrer = (what or "").partition("/")

        if kind not in ("numbers", "wallets"):
            self.answer(404)
            return

        try:
            if kind == "wallets":
                text = wallets(self.server.store, lang,
                               (self.customer(), referrer))
            else:
                sums, said = numbers(self.server.store, lang, referrer)
                text = said if self.query == "each" else sums
        except redis.RedisError as error:
            print(f"redis: {error}", file=sys.stderr, flush=True)
            self.answer(503)
            return

        self.answer(200, text)

    def do_POST(self):
        lang, what = self.place()
        size = self.headers.get("Content-Length", "")

        if lang and what in ("buy", "join") and size.isdecimal() \
                and int(size) <= BODY_MAX:
            form = {name: values[0] for name, values in parse_qs(
                self.rfile.read(int(size)).decode("ascii", "replace")).items()}

            if what == "join":
                self.join(lang)
            else:
                self.buy(lang, form)

            return

        self.answer(404)

    def customer(self):
        """The account that nginx put into the visitor's cookie."""
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return None

        account = cookie["account"].value if "account" in cookie else ""

        return f"c-{account}" if ID.fullmatch(account) else None

    def click(self):
        given = self.headers.get("X-Referral-Click-Id")

        return {"click_id": given} if given else {}

    def join(self, lang):
        """An account, where the browser runs no script."""
        customer = self.customer()

        if not customer:
            self.see(lang, "order", failed=1)
            return

        self.server.accounts.add(customer)
        self.see(lang, "order", [("X-Referral-Event",
                                  urlencode(lead(customer)))], joined=1)

    def buy(self, lang, form):
        customer, order = self.customer(), form.get("order", "")
        way, code = form.get("way"), form.get("code", "")

        if not customer or not ID.fullmatch(order):
            self.see(lang, "order", failed=1)
            return

        # an order opens the account too: the friend's reward is for that

        events = [sale(customer, order)]

        if customer not in self.server.accounts:
            events.insert(0, lead(customer))

        headers = []

        try:
            if way == "server":
                for event in events:
                    send({**event, **self.click()}, JSON)

            elif way == "code" and CODE.fullmatch(code):
                for event in events:
                    send({**event, "code": code}, FORM)

            elif way == "answer":
                headers = [("X-Referral-Event", urlencode(event))
                           for event in events]

            else:
                self.see(lang, "order", failed=1, order=order)
                return
        except Failed as why:
            print(f"not sent: {why}", file=sys.stderr, flush=True)
            self.see(lang, "order", failed=1, order=order)
            return

        self.server.accounts.add(customer)
        self.see(lang, "thanks", headers, way=way,
                 **({"of": self.referrer(code)} if way == "code" else {}))

    def referrer(self, code):
        """Whose code it is, for a link on the page that says thanks."""
        try:
            return self.server.store.hget(
                f"ref:link:{{{PROGRAM}}}:{code.lower()}", "referrer") or ""
        except redis.RedisError:
            return ""

    def see(self, lang, page, headers=(), **values):
        self.answer(303, "", [*headers, ("Location",
                                         f"/{lang}/{page}?{urlencode(values)}")])

    def answer(self, status, text="", headers=()):
        body = text.encode()

        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")

        for name, value in headers:
            self.send_header(name, value)

        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_):
        pass


def main():
    if len(sys.argv) != 2 or ":" not in sys.argv[1]:
        sys.exit(__doc__)

    for name in ("REFERRAL_KEY", "REFERRAL_URL", "REFERRAL_REDIS"):
        if not os.environ.get(name):
            sys.exit(f"{name} is missing")

    host, _, port = sys.argv[1].rpartition(":")

    with ThreadingHTTPServer((host, int(port)), Shop) as server:
        server.store = open_redis()
        server.accounts = set()
        server.serve_forever()


if __name__ == "__main__":
    main()
