"""The rooms of scripts/referral.

problem   what can go wrong, and the exit codes
output    tables for people, JSON and CSV for programs
terminal  what only a terminal gets to see
store     Redis: where it is, and the names of the keys
rooms     the C program that holds the module's own rules
frame     the options that every command takes
change    writing links: add, change, remove, each in one transaction
transfer  import and export
program, link, referrer, report, journal, reset
          the commands
app       all of them together
"""
