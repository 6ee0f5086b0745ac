"""Random streams for t/program/rewards_faults.t: a line of JSON for each seed.

    rewards_stream.py FROM TO

Each is a list of facts, these lists of names and values.
"""

import json
import sys

from rewards_compare import facts_words
from rewards_random import stream

for seed in range(int(sys.argv[1]), int(sys.argv[2])):
    facts = [facts_words(fact) for fact in stream(seed, 60)]

    print(json.dumps([[text for pair in fact.items() for text in pair]
                      for fact in facts]))
