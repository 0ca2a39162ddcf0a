"""Decide, as pure functions: plain arguments and a `Draft` in, plain results out; no IO, no clock, no OCPP version.

    sessions.py           who holds a station's socket, by epoch: opened, heard, closed, expired
    acceptance.py         whether a station counts as accepted, and what it may send therefore
    registration.py       BootNotification and its answer
    status.py             connector statuses
    reports.py            firmware, diagnostics, logs, security events, vendor data
    transactions.py       starts        stops.py       stops        closing.py      how a record opens and ends
    metering.py           samples       registers.py   what they tell of energy     units.py   their numbers
    authorization.py      id tags       reported.py    what handlers hand over      flags.py   what may be odd
    authorization_elsewhere.py  tags kept elsewhere             authorization_refused.py   starts refused too late
    local_lists/          local authorization lists: sent, verified, repaired
    reconciliation.py     open transactions of a station that came back
    commands.py           commands to a station             command_rules.py   what may be sent, repeated, accepted
    command_hooks.py      who is told of them               reservations.py    connectors kept for somebody
    bulk.py               a station's part in jobs over many
    firmware/             updates of its firmware, and what it says of files that it leaves
    smartcharging         charging profiles: sent, verified, obeyed; sharing a site's capacity
    probing/              probes: what a station's smart charging really does
    tuning                templates, and the policy on meter data: stations brought in line
    watching.py           whether an accepted remote start or stop happened
    configuration/        stations' configurations: read, kept, compared; what their models can do
    requests.py           what operators ask for            refusals.py        how they are told no
    provisioning.py       stations as operators want them
    credentials.py        a station's key, changed           certificates.py    its certificates: made, brought, renewed
    quarantine.py         frames that nobody understood     duplicates.py      answers that are given again
    quirks.py             rules of models                   times.py, clocks.py   stations' own times
    wakeups.py            timers, by name

Handlers call in from above; `wakeups` and `commands.when_ended` call back by what services register.
"""
