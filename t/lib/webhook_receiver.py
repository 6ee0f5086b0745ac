"""A receiver of webhooks for tests: webhook_receiver.py DIR PORT [CERTIFICATE]

Each request becomes a line of DIR/NAME.got, NAME being the first part of the
path: what came, in JSON.  DIR/NAME.mode says what is answered, from the next
request on: a status, or one of the words below.  With a certificate (and its
key in the same file) it speaks TLS.
"""

import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOCK = threading.Lock()


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = self.path.split("/")[1].partition("?")[0]
        mode = read_mode(name)
        got = {"at": time.time(), "path": self.path, "mode": mode,
               "method": self.command,
               "headers": {k.lower(): v for k, v in self.headers.items()},
               "body": body.decode()}

        with LOCK, open(f"{DIR}/{name}.got", "a", encoding="utf-8") as file:
            file.write(json.dumps(got) + "\n")

        self.close_connection = True
        word, _, value = mode.partition(" ")

        if word == "poison":
            self.answer(500 if value in got["body"] else 200)
        elif word.isdecimal():
            self.answer(int(word), value)
        else:
            getattr(self, f"do_{word}")(value)

    do_GET = do_PATCH = do_POST

    def answer(self, status, retry=""):
        self.send_response(status)

        if retry:
            self.send_header("Retry-After", retry)

        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def do_slow(self, seconds):
        time.sleep(float(seconds))
        self.answer(200)

    def do_drip(self, _):
        """A byte now and then, forever."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")

        while True:
            self.wfile.write(b"x")
            time.sleep(0.2)

    def do_redirect(self, target):
        self.send_response(302)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_garbage(self, _):
        self.wfile.write(b"\x1b[31mno HTTP\x00\r\n\xff\xfe at all\r\n\r\n")

    def do_close(self, _):
        self.connection.close()

    def do_reset(self, _):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        self.connection.close()

    def do_half(self, _):
        self.wfile.write(b"HTTP/1.1 20")

    def do_flood(self, _):
        """A body without an end."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")

        while True:
            self.wfile.write(b"y" * 65536)

    def do_headers(self, _):
        """Headers without an end."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")

        while True:
            self.wfile.write(b"X: " + b"y" * 8192 + b"\r\n")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


def read_mode(name):
    try:
        with open(f"{DIR}/{name}.mode", encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return "200"


if __name__ == "__main__":
    DIR, PORT, *CERTIFICATE = sys.argv[1:]
    server = Server(("127.0.0.1", int(PORT)), Receiver)

    if CERTIFICATE:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE[0])
        server.socket = context.wrap_socket(server.socket, server_side=True,
                                            do_handshake_on_connect=False)

    os.makedirs(DIR, exist_ok=True)
    server.serve_forever()
