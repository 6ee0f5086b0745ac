"""One POST: to an address that was checked, within a time, without following
anything, and reading no more of the answer than is needed."""

from __future__ import annotations

import email.utils
import http.client
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Any, Mapping
from urllib.parse import urlsplit

from .address import Forbidden, Guard

DRAINED = 16384


@dataclass(frozen=True)
class Answer:
    """A status; or 0, and one word for why there is none.  "wait": how many
    seconds the receiver asks for."""

    status: int = 0
    why: str = ""
    wait: int | None = None

    @property
    def word(self) -> str:
        return self.why or str(self.status)

    @property
    def taken(self) -> bool:
        return 200 <= self.status <= 299


class Deadline:
    """Ends a connection when its time is over, whatever it is doing: a
    receiver that sends a byte a second is never too slow for a socket."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.over = False
        self.socket: socket.socket | None = None
        self.timer = threading.Timer(seconds, self._cut)
        self.timer.daemon = True

    def __enter__(self) -> Deadline:
        self.timer.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.timer.cancel()

    @property
    def left(self) -> float:
        return max(0.01, self.end - time.monotonic())

    def _cut(self) -> None:
        self.over = True

        if self.socket:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def post(url: str, headers: Mapping[str, str], body: bytes, guard: Guard,
         context: ssl.SSLContext, seconds: float) -> Answer:
    """Sends it once.  Whatever goes wrong is one word."""
    with Deadline(seconds) as deadline:
        try:
            return _post(url, headers, body, guard, context, deadline)
        except Forbidden:
            return Answer(why="forbidden-address")
        except socket.gaierror:
            why = "no-such-host"
        except ssl.SSLCertVerificationError:
            why = "bad-certificate"
        except TimeoutError:
            why = "timeout"
        except ssl.SSLError:
            why = "tls-failed"
        except (http.client.HTTPException, ValueError):
            why = "bad-answer"
        except OSError:
            why = "no-connection"

    return Answer(why="timeout" if deadline.over else why)


def _post(url: str, headers: Mapping[str, str], body: bytes, guard: Guard,
          context: ssl.SSLContext, deadline: Deadline) -> Answer:
    parts = urlsplit(url)
    plain = parts.scheme == "http"
    host = parts.hostname or ""
    port = parts.port or (80 if plain else 443)
    addresses = guard.resolve(host, port, plain)
    connection = http.client.HTTPConnection(host, port)

    try:
        sock = _connect(addresses, port, deadline)
        deadline.socket = sock
        connection.sock = sock

        if not plain:
            connection.sock = context.wrap_socket(sock, server_hostname=host)
            deadline.socket = connection.sock

        connection.sock.settimeout(deadline.left)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query
                                        else "")
        connection.putrequest("POST", target, skip_host=True,
                              skip_accept_encoding=True)
        connection.putheader("Host", _host_header(host, port, plain))

        for name, value in headers.items():
            connection.putheader(name, value)

        connection.putheader("Content-Length", str(len(body)))
        connection.putheader("Connection", "close")
        connection.endheaders(body)
        answer = connection.getresponse()

        if deadline.over:
            raise TimeoutError

        wait = retry_after(answer.getheader("Retry-After"), time.time())

        # so that the receiver sees the connection end, not break

        try:
            answer.read(DRAINED)
        except (OSError, http.client.HTTPException, ValueError):
            pass

        return Answer(answer.status, wait=wait)
    finally:
        connection.close()


def _connect(addresses: list[str], port: int, deadline: Deadline
             ) -> socket.socket:
    """A connection to the first address that takes one."""
    failed: OSError | None = None

    for i, address in enumerate(addresses):
        try:
            return socket.create_connection(
                (address, port), deadline.left / (len(addresses) - i))
        except OSError as error:
            failed = error

    raise failed or OSError


def _host_header(host: str, port: int, plain: bool) -> str:
    name = f"[{host}]" if ":" in host else host

    return name if port == (80 if plain else 443) else f"{name}:{port}"


def retry_after(text: str | None, now: float) -> int | None:
    """Seconds, or a date of HTTP; None for what is neither."""
    if not text or len(text) > 64:
        return None

    text = text.strip()

    if text.isascii() and text.isdecimal():
        return int(text[:9])

    try:
        when = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None

    try:
        return max(0, int(when.timestamp() - now))
    except (OverflowError, ValueError):
        return None
