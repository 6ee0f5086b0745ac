"""nginx-referral's command line, in four layers; each may use those below it.

cli      the commands, a module for each group; app has all of them
reports  what was counted: totals, boards, two days side by side, an audit
store    Redis and its keys, links, events, the journal; the C programs that
         hold the module's own rules
text     tables, JSON and CSV, what only a terminal gets, problems
"""

# as debian/changelog has it
VERSION = "0.1.0"
