"""What operators see: the types of answers, and how records become them. OpenAPI is generated from here.

base.py          pages, cursors, limits, ids: what all lists and changes share
stations.py      stations, connectors, sessions
transactions.py  transactions, estimates, meter values
configuration.py configurations, drifts, models
tags.py          id tags
authorization.py authorization policies, and local lists
tuning.py        templates, and how stations stand to them
profiles.py      charging profiles, and the schedule that comes of them
probes.py        probes of smart charging, and what models can do by trial
reservations.py  reservations
sites.py         sites: their trees, and how they stand
certificates.py  keys and certificates of stations
demand.py        demand response events, their reports, prices
files.py         files
firmware.py      images and campaigns of firmware
jobs.py          jobs over many stations, their progress and results
tokens.py        operators' tokens, and who one is
audit.py         the audit log, security events
other.py         commands, history, quarantine, the summary
"""
