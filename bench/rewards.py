"""scripts/bench --program: what it costs when sales bring rewards."""

import collections
import http.client
import os
import subprocess
import time

# what most programs have: both sides, a cap, a hold, and an end

RULES = """unit=EUR/2
cap=year per=referrer count=1000000 every=year
rule=invite on=sale nth=1 min=10.00EUR to=both give=10.00EUR hold=14d life=365d cap=year
fraud=self,same_email do=reject
"""

REFERRERS = 1000             # of bench.links()
SAMPLE = 1000                # keys of a kind whose size is asked for

# what a sale brings; the stream and ids have the leads too
MADE = ("reward", "ledger", "due", "wallet", "wallet:entries", "order")


def begin(one, post):
    """The rules stand in the stream before the sales that are measured."""

    one.client.hset("ref:program:{shop}", "rewards", RULES)

    # a referrer without an account gets nothing

    for i in range(REFERRERS):
        one.client.hset(f"ref:referrer:{{shop}}:of{i}", "state", "active")

    with one.nginx() as (nginx, _):
        post(http.client.HTTPConnection("127.0.0.1", nginx.port), "first")

    one.settled()

    if not one.client.exists("ref:rules:{shop}"):
        raise SystemExit("the settler did not take the rules of rewards")


def stream(one, post, links):
    """Settler, memory, replay and takeover, of one stream."""

    one.bench.links(links)
    begin(one, post)
    empty = takeover(one)[1]
    before, memory = one.facts(), one.redis.memory()

    # friends sign up, and later they buy

    with one.nginx() as (nginx, _):
        one.intake(nginx, 100, kind="lead")
        prefix, leads = f"b{one.serial}", one.facts() - before
        one.settled()
        joined = one.redis.memory()
        one.intake(nginx, 100, (prefix, leads), seconds=max(1, one.seconds // 2))

    sales = one.facts() - before - leads

    if sales > leads:
        raise SystemExit(f"{sales} sales of {leads} friends: there are"
                         " second ones among them")

    used, seconds, redis = one.settled()
    rewarded(one, sales)
    one.figure("settled double-sided rewarded sales, one program",
               sales / seconds, "/s", sales, 3000, False,
               f"settler {used / sales * 1e6:.1f} us, Redis"
               f" {redis / sales * 1e6:.1f} us a sale")

    each = (one.redis.memory() - joined) / sales
    one.figure("Redis memory a rewarded double-sided sale", each, "bytes",
               sales, 2048, True, split(one.client, sales))
    one.figure("Redis memory a friend who signed up", (joined - memory) / leads,
               "bytes", leads)

    one.replayed("replay of a dump with rewards, one core")

    seconds, most, used = takeover(one)
    facts = one.facts()
    one.figure("takeover: the ledger built again from the stream",
               seconds * 1000, "ms", facts, None, True,
               f"{facts / seconds:.0f} facts/s, {used / facts * 1e6:.1f} us of"
               " CPU a fact, start of the process included")
    one.figure("resident memory of the settler a rewarded sale and its lead",
               max(0, most - empty) / sales, "bytes", sales, None, True,
               f"at most {most >> 20} MB, {leads / sales:.2f} leads a sale")


def rewarded(one, sales):
    """Each sale has to have brought two rewards; the first came before."""

    entries = one.client.xlen("ref:ledger:{shop}")

    if not 2 * sales <= entries <= 2 * sales + 2:
        raise SystemExit(f"{sales} sales brought {entries} entries of the"
                         " ledger")


def takeover(one):
    """A settler that starts with nothing to settle: seconds, its memory, and
    its CPU."""

    start = time.monotonic()
    process = subprocess.Popen(one.settle("--once"), stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)

    if process.returncode:
        raise SystemExit(f"the settler ends with {process.returncode}")

    return (time.monotonic() - start, used.ru_maxrss * 1024,
            used.ru_utime + used.ru_stime)


def kind(key):
    """ "reward" of "ref:reward:{shop}:0123", "wallet:entries" of a history."""

    head, _, tail = key.removeprefix("ref:").partition(":{shop}")

    return head + ":entries" if tail.endswith(":entries") else head


def split(client, sales):
    """Bytes a sale of the kinds of keys that it makes, the largest first."""

    keys = collections.defaultdict(list)

    for key in client.scan_iter("ref:*", count=1000):
        keys[kind(key)].append(key)

    sizes = {}

    for name, some in keys.items():
        asked = some[:SAMPLE]
        pipe = client.pipeline(transaction=False)

        for key in asked:
            pipe.memory_usage(key, samples=0)

        sizes[name] = sum(pipe.execute()) / len(asked) * len(some) / sales

    large = sorted((name for name in sizes if name in MADE), key=sizes.get,
                   reverse=True)
    words = [f"{name} {sizes[name]:.0f}" for name in large]

    return ", ".join(words)
