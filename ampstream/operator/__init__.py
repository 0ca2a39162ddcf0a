"""The operators' commands: what the REST API can do, from a terminal. Tables for people, `--json` for scripts.

api.py           the API over HTTP: questions, pages, the event feed; errors in words
session.py       what every command shares: options, where the token comes from, how results are shown
show.py          tables and words; listing.py: lists, the same for every command
stations.py      ampstream stations      transactions.py  ampstream transactions
tags.py          ampstream tags          importing.py     its import, with a progress bar
local_lists.py   ampstream local-lists
commands.py      ampstream send, ampstream commands; fields.py: a payload from words
config.py        ampstream config        drifts.py        ampstream drifts
models.py        ampstream models
templates.py     ampstream templates, ampstream config apply and wanted
reservations.py  ampstream reservations
limits.py        ampstream limits        profiles.py      ampstream profiles
demand.py        ampstream demand        prices.py        ampstream prices
probe.py         ampstream probe
sites.py         ampstream site; site_tree.py: its tree; charts.py: charts of sites and of limits
firmware.py      ampstream firmware      files.py         ampstream files, ampstream diagnostics
jobs.py          ampstream jobs, and ampstream send to many
tokens.py        ampstream tokens        login.py         ampstream login, ampstream logout
audit.py         ampstream audit         logins.py        where a login is kept, and how it is renewed
security_events.py  ampstream security-events
keys.py          ampstream keys          certificates.py  ampstream certificates
quarantine.py    ampstream quarantine    events.py        ampstream events, ampstream tail
words.py         events in plain words
"""
