"""How many links a referral_zone of the default size holds."""

import re
import urllib.request

from .measure import Row

LINKS = (5_000, 10_000, 20_000, 40_000, 80_000)


def looked_up(nginx):
    """Look-ups of the worker so far: answered by the cache, and by Redis."""

    with urllib.request.urlopen(
            f"http://127.0.0.1:{nginx.port}/metrics") as page:
        text = page.read().decode()

    return [int(re.search(rf"^referral_cache_{name}_total (\d+)", text,
                          re.MULTILINE).group(1))
            for name in ("hits", "misses")]


def share(bench, links):
    """All links in turn for some seconds, and again: what was there then?"""

    row = Row("zone", "", "module", links=links, cold=True)

    with bench.running(row) as (nginx, _):
        bench.wrk(row, nginx, 8, 0)
        before = looked_up(nginx)
        bench.wrk(row, nginx, 4, 0)
        hits, misses = (b - a for a, b in zip(before, looked_up(nginx)))

    return hits / (hits + misses)


def show(bench):
    print("links clicked in turn, in a referral_zone of 16m: "
          "look-ups that the cache answered")

    for links in LINKS:
        print(f"{links:8} {share(bench, links):7.1%}")

    return 0
