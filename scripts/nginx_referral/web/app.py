"""The API under Flask: keys, requests, answers and problems."""

from __future__ import annotations

import json
import os
import re
import threading
from typing import Any, Sequence

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from ..cli.app import call
from ..cli.reward_command import REASONS
from ..relay.log import log
from ..store.api_keys import ApiKey, key_of
from ..store.keys import DEFAULT_PREFIX
from ..store.session import DEFAULT_REDIS, Session
from ..store.store import Store
from ..text.problem import MACHINE, NEGATIVE, REDIS, Problem
from .body import SIZE_MAX, read_body, read_key, read_wait
from .openapi import BASE, document
from .operations import OPERATIONS, Operation
from .parameters import Mistake, read

STATUS = {NEGATIVE: 404, REDIS: 503, MACHINE: 500}

TITLES = {400: "wrong parameters", 401: "no key", 403: "not allowed",
          404: "not found", 405: "wrong method", 409: "refused",
          413: "too large", 422: "refused",
          500: "fault", 503: "not now"}

# seconds after which a client tries again when Redis is away
RETRY = 5


class Api:
    """What all requests share."""

    def __init__(self) -> None:
        self.settings = _session()
        self.store: Store = self.settings.store
        self.lock = threading.Lock()
        self.away = False

    def session(self) -> Session:
        """Of one request; the connections are shared."""
        session = _session()
        session.store = self.store
        session.minor = True

        return session

    def redis_is(self, away: bool, why: str = "") -> None:
        """One line of the log when it goes, and one when it is back."""
        with self.lock:
            if away == self.away:
                return

            self.away = away

        if away:
            log("error", f"requests are refused: {why}")
        else:
            log("notice", "Redis answers again")

    def answer(self, operation: Operation, path: dict[str, str]) -> Response:
        try:
            key = self.key()

            if not isinstance(key, ApiKey):
                return key

            refused = _refused(key, operation, path)

            if refused:
                return refused

            if operation.posts:
                answer = self.posted(operation, path)
            else:
                answer = self.asked(operation, path)
        except Problem as error:
            return self.failed(error)

        self.redis_is(away=False)

        return answer

    def asked(self, operation: Operation, path: dict[str, str]) -> Response:
        words, mistakes = read(operation, path,
                               request.args.to_dict(flat=False))

        if mistakes:
            return wrong(mistakes)

        return _answer(call(self.session(), words))

    def posted(self, operation: Operation, path: dict[str, str]) -> Response:
        """It is appended first, so that what waits in vain is done all the
        same."""
        data = request.stream.read(SIZE_MAX + 1)

        if len(data) > SIZE_MAX or (request.content_length or 0) > SIZE_MAX:
            return problem(413, f"a body has at most {SIZE_MAX} bytes")

        given, mistakes = read_body(operation, data, request.mimetype)
        words, more = read(operation, path, given)
        key, of_key = read_key(request.headers)
        seconds, of_wait = read_wait(request.args.to_dict(flat=False))
        known = {one.parameter for one in mistakes}
        mistakes += [one for one in more if one.parameter not in known]
        mistakes += [*of_key, *of_wait]

        if mistakes:
            return wrong(mistakes)

        at = len(operation.command)
        words[at:at] = [f"--event-id={key}"]
        told = json.loads(call(self.session(), words))

        if not seconds:
            return _answer(json.dumps(told) + "\n", 202)

        words[at:at] = ["--wait", f"--patience={seconds}"]

        try:
            settled = json.loads(call(self.session(), words))
        except Problem as error:
            if error.code != REDIS:
                raise

            # the settler is late; whether Redis is away the next one tells
            return _answer(json.dumps(told) + "\n", 202)

        settled["replayed"] = told["replayed"]

        if settled["done"] is False:
            return problem(409, REASONS.get(settled["type"], "refused"))

        return _answer(json.dumps(settled) + "\n")

    def failed(self, error: Problem) -> Response:
        if error.code == REDIS:
            # the text names addresses and users: that is for the log
            self.redis_is(away=True, why=str(error))
            answer = problem(503, "Redis cannot be asked now; try again")
            answer.headers["Retry-After"] = str(RETRY)

            return answer

        self.redis_is(away=False)

        return problem(STATUS.get(error.code, 422), str(error))

    def key(self) -> ApiKey | Response:
        """Who asks; or the answer to somebody without a key."""
        if "Origin" in request.headers:
            return problem(403, "keys are for servers: a browser sends"
                           " Origin")

        found = re.fullmatch(r"[Bb]earer +(\S{1,200})",
                             request.headers.get("Authorization", ""))
        key = key_of(self.store, found[1]) if found else None

        if key is None:
            answer = problem(401, "the header \"Authorization: Bearer KEY\""
                             " has no key that there is")
            answer.headers["WWW-Authenticate"] = "Bearer"

            return answer

        return key


def _session() -> Session:
    environ = os.environ
    password = environ.get("REFERRAL_PASSWORD", "")
    file = environ.get("REFERRAL_PASSWORD_FILE")

    if file:
        with open(file, encoding="utf-8") as lines:
            password = lines.readline().rstrip("\r\n")

    return Session(redis=environ.get("REFERRAL_REDIS") or DEFAULT_REDIS,
                   prefix=environ.get("REFERRAL_PREFIX") or DEFAULT_PREFIX,
                   password=password, quiet=True,
                   case_sensitive=environ.get("REFERRAL_CASE_SENSITIVE", "")
                   in ("1", "true", "yes", "on"))


def _refused(key: ApiKey, operation: Operation, path: dict[str, str]
             ) -> Response | None:
    if operation.scope not in key.scopes:
        return problem(403, f"the key has not the scope {operation.scope}")

    if key.programs and path.get("program") not in key.programs:
        return problem(403, "the key is for other programs")

    return None


def wrong(mistakes: Sequence[Mistake]) -> Response:
    return problem(400, "the request has mistakes; \"errors\" names all",
                   mistakes)


def _answer(text: str, status: int = 200) -> Response:
    return _headers(Response(text, status, mimetype="application/json"))


def problem(status: int, detail: str, mistakes: Sequence[Mistake] = ()
            ) -> Response:
    told: dict[str, Any] = {
        "type": "about:blank", "title": TITLES.get(status, "refused"),
        "status": status, "detail": detail}

    if mistakes:
        told["errors"] = [vars(one) for one in mistakes]

    return _headers(Response(json.dumps(told) + "\n", status,
                             mimetype="application/problem+json"))


def _headers(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"

    return answer


def create() -> Flask:
    """The application that gunicorn runs."""
    app = Flask("nginx_referral.web", static_folder=None)
    api = Api()
    described = json.dumps(document()) + "\n"

    def serve(operation: Operation) -> Any:
        return lambda **path: api.answer(operation, path)

    for one in OPERATIONS:
        app.add_url_rule(BASE + re.sub(r"\{(\w+)\}", r"<\1>", one.path),
                         one.name, serve(one), methods=[one.method.upper()],
                         provide_automatic_options=False)

    app.add_url_rule(
        f"{BASE}/openapi.json", "openapi", lambda: _headers(
            Response(described, mimetype="application/json")),
        methods=["GET"], provide_automatic_options=False)

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        answer = problem(error.code or 500, (error.description or "").rstrip(
            "."))

        if error.code == 405 and error.get_headers():
            answer.headers["Allow"] = ", ".join(sorted(
                getattr(error, "valid_methods", None) or ()))

        return answer

    @app.errorhandler(Exception)
    def fault(error: Exception) -> Response:
        log("crit", f"a fault of this program at {request.path}:"
            f" {type(error).__name__}: {error}")

        return problem(500, "a fault of the server; its log has more")

    return app
