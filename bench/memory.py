"""What Redis spends on a click that is kept, and on a link with its month."""

import datetime


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

    return kept + size / entries


def per_link(bench):
    """
    Bytes of what the module keeps of one link: the slice before this gave it
    some two hundred clicks from all countries of the databases; the days of a
    month are written beside the one it has.
    """

    client = bench.redis.client
    codes = [f"c{n}" for n in range(0, 1000, 50)]
    today = datetime.date.today()
    total = 0

    for code in codes:
        days = f"ref:days:{{shop}}:{code}"

        for n in range(1, 30):
            client.hset(days, str(today - datetime.timedelta(n)), 33)

        total += client.memory_usage(days, samples=0)
        total += client.memory_usage(f"ref:stats:{{shop}}:{code}", samples=0)

    boards = 0

    for key in client.scan_iter("ref:board:{shop}:clicks*", count=1000):
        boards += client.memory_usage(key, samples=0) / client.zcard(key)

    return total / len(codes) + boards
