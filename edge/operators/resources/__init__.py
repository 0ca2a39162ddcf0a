"""One module per resource, each with its table of routes.

stations.py      stations: list, one, create, change, delete, disconnect; their keys
charging.py      connectors, transactions, meter values; csvout.py: those as CSV
profiles.py      charging profiles: the library, those of a station, and what comes of them
probes.py        what a station's smart charging really does: begin, show, abort; the report
taking.py        what a station takes, for profiles
demand.py        demand response events and their reports; prices.py: what energy costs when
commands.py      commands: send, list, show, cancel; a station's history; sending.py: their check and their outcome
jobs.py          jobs over many stations: make, list, show, pause, resume, cancel; their results
sites.py         sites: their trees, measured base loads, how they stand; plans of transactions
charts.py        charts of limit, allocation and draw, of sites and stations
reservations.py  reservations: make, list, show, cancel
tags.py          id tags; imports.py: many of them from CSV
authorization.py who decides about tags at which stations; local_lists.py: how stations hold their lists
configuration.py a station's configuration: show, read, history, difference
drifts.py        its significant changes: list, acknowledge; the rules
models.py        what models can do, and what operators say of them
templates.py     how stations are wanted; tuning.py: how one stands to that, and is brought in line
quarantine.py    frames that nobody understood: list, show, replay, drop
events.py        the live feed
certificates.py  certificates of stations: when they end, revoked; keys.py: rotation of keys, least profiles
tokens.py        operators' tokens, and who one is
audit.py         the audit log: list, export
security_events.py  security events: list
summary.py       a few numbers
files.py         files: list, show, download, delete; diagnostics and logs asked for
firmware_images.py  images of firmware; firmware_campaigns.py: campaigns that bring them to stations
lists.py         cursors and pages, for all of them
writing.py       what is written whole under a name: made, replaced, found, deleted
asking.py        how a change is asked of a worker
"""

from __future__ import annotations

from edge.operators.resources import (
    audit,
    authorization,
    certificates,
    charging,
    charts,
    commands,
    configuration,
    demand,
    drifts,
    events,
    files,
    firmware_campaigns,
    firmware_images,
    imports,
    jobs,
    keys,
    local_lists,
    models,
    prices,
    probes,
    profiles,
    quarantine,
    reservations,
    security_events,
    sites,
    stations,
    summary,
    tags,
    templates,
    tokens,
    tuning,
)
from edge.operators.routes import Route

ROUTES: tuple[Route, ...] = tuple(
    route
    for module in (
        stations,
        charging,
        profiles,
        demand,
        prices,
        sites,
        charts,
        probes,
        commands,
        jobs,
        files,
        firmware_images,
        firmware_campaigns,
        reservations,
        tags,
        imports,
        authorization,
        local_lists,
        configuration,
        drifts,
        models,
        templates,
        tuning,
        quarantine,
        events,
        summary,
        certificates,
        keys,
        tokens,
        audit,
        security_events,
    )
    for route in module.TABLE.routes
)
"""Every operation of the API."""
