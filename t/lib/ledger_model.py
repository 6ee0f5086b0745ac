"""What the command line's model makes of streams, for t/program/model.t: dumps
on stdin, for each one its state as lines of key, field and value; an empty
line ends either."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts"))

from nginx_referral.reports.ledger_counts import state_of
from nginx_referral.reports.ledger_model import Model
from nginx_referral.store.facts import fact_of
from nginx_referral.store.keys import Keys


def facts(lines):
    for line in lines:
        name, texts = json.loads(line)
        yield fact_of(name, dict(zip(texts[::2], texts[1::2])))


def answer(lines):
    stream = list(facts(lines))
    model = Model()

    for fact in stream:
        model.ahead(fact)

    for fact in stream:
        model.fold(fact)

    for key, fields in state_of(model, Keys("ref:", "p")).items():
        for name, value in fields.items():
            print(key, name, value, sep="\t")

    print()


lines = []

for line in sys.stdin:
    if line.strip():
        lines.append(line)
    else:
        answer(lines)
        sys.stdout.flush()
        lines = []
