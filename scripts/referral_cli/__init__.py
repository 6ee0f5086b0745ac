"""The rooms of scripts/referral.

problem   what can go wrong, and the exit codes
output    tables for people, JSON and CSV for programs
terminal  what only a terminal gets to see
store     Redis: where it is, and the names of the keys
rooms     the C program that holds the module's own rules
frame     the options that every command takes
change    writing links: add, change, remove, each in one transaction
transfer  import and export
days      the program's days, weeks, months
counters  what the module counted, as numbers that add up
events    the stream of events, read once
cut       any other cut, from the events
people    how many people: visitors and addresses
keyspace  the keys that hold counts
tally     what the events add up to
touch     a click's id, and what is kept under it
program, link, referrer, stats, top, compare, audit, report, journal, reset,
forget, bots    the commands
app       all of them together
"""

# as debian/changelog has it
VERSION = "0.1.0"
