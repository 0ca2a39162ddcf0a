"""What Ampstream stores, and how it is read: record types, the key layout's meaning, read queries.

    stations.py      StationRecord, SessionRecord, ConnectorRecord, Door: the sections of a station's state
    transactions.py  Transaction, open ones in the `charging` section, closed ones under their own key; Sample, Reading
    commands.py      Command records and their states
    reservations.py  section `rs`: connectors kept for somebody, and a record each
    jobs.py          jobs over many stations, and their results; works.py: what campaigns have in common with them
    configuration.py section `cf`: what a station's configuration is, and where its reading stands
    changes.py       how two configurations differ: diff, apply, undo
    drifts.py        changes that somebody should look at; drift_rules.py: the rules that are shipped
    models.py        what models can do, and what operators say of them
    profiles.py      charging profiles: of the library, and section `sc`: those of a station
    probes.py        section `pr`: a probe of smart charging under way; its report; what models can do by trial
    sites.py         sites: the tree of circuits and stations, and what is allocated; site_history.py: minute by minute
    demand.py        demand response: events and the stations under them; prices.py: what energy costs when
    templates.py     how stations are wanted; which of it wins for a station
    tuning.py        section `tu`: how a station stands to that, and what is under way
    tags.py          IdTag records, and what an external authorizer said of one
    authorization.py who decides about tags at which stations; authorization_hours.py: when a tag may charge
    local_lists.py   local authorization lists, and section `ll`: how far a station has its own
    credentials.py   section `ke`: the change of a station's key
    certificates.py  section `ce`: a station's certificates; requests, what is revoked
    tokens.py        operators' tokens: digest and scope
    audit.py         the audit log: its entries and their chain
    security_events.py  what stations and Ampstream noticed of attacks, and how severe it is
    quarantine.py    frames that nobody understood
    history.py       facts beside the current state: late ones, security events, firmware statuses
    events/          the versioned list of event types, and how they stand in the event stream
    requests.py      what operators ask of a station's commit
    files.py         files that stations fetch and leave; files_links.py: the signed links to them
    firmware.py      section `fw`: an update under way; images and campaigns of firmware
    windows.py       maintenance windows in local time
    packing.py       msgpack encoders and decoders of all of these
    queries/         reads for the operators' listener (stations, transactions, tags, quarantine, events)

Times are integer milliseconds since 1970 UTC (`*_at`, `*_ms`), energy is integer Wh (`*_wh`). Records are frozen; a
change makes a new one (`msgspec.structs.replace`). Fields are only ever added, with defaults.
"""
