"""What Redis spends on a click that is kept, and on a link with its month."""

import datetime

from .measure import Row

# what each link gets: a thousand clicks from five countries

LINKS = Row("memory", "twenty links", "module", links=20, countries=5,
            pause=6)


def per_click(bench, row):
    """Bytes of the event and of the cookie as issued, of real clicks."""

    bench.slice(row)

    client = bench.redis.client
    events = client.xlen("ref:events:{shop}")
    size = client.memory_usage("ref:events:{shop}", samples=0)
    kept = size / events

    entries = size = 0

    for key in client.scan_iter("ref:clicks:{shop}:*", count=1000):
        entries += client.hlen(key)
        size += client.memory_usage(key, samples=0)

    return kept, size / entries


def per_link(bench):
    """
    Bytes of what the module keeps of one link that had a thousand clicks from
    five countries, and that were spread over thirty days: these are written
    beside the one that the clicks came on.
    """

    bench.slice(LINKS, seconds=1)

    client = bench.redis.client
    today = datetime.date.today()
    total = clicks = 0

    for n in range(LINKS.links):
        days = f"ref:days:{{shop}}:c{n}"
        stats = f"ref:stats:{{shop}}:c{n}"

        for back in range(1, 30):
            client.hset(days, str(today - datetime.timedelta(back)), 33)

        clicks += int(client.hget(stats, "clicks"))
        total += client.memory_usage(days, samples=0)
        total += client.memory_usage(stats, samples=0)

    boards = 0

    for key in client.scan_iter("ref:board:{shop}:clicks*", count=1000):
        boards += client.memory_usage(key, samples=0) / client.zcard(key)

    return total / LINKS.links + boards, clicks / LINKS.links
