"""The benchmark: a bounded load against a system of its own, every answer verified, every figure with its cost.

    command      the click command: what runs, in which order, and what is printed
    disk         where the system's files are: how long a sync takes there, and that it is a disk
    system       Valkey, worker and edge as real processes, stations with keys, the operator's token
    echo         the yardstick: a bare aiohttp WebSocket echo in a process of its own
    caller       one station of the load: a socket, a script, one CALL at a time, each answer checked
    mixes        the scripts: transaction, metervalues, heartbeat
    load         many callers: dialling, running for a while, what they found
    usage        CPU time and memory of a process, from outside
    scenarios    throughput, latency, connections, storm; what a scenario is given
    commands     scenario: an operator's command to the station and back
    configure    scenario: a fleet from its boot to a template applied
    authorize    scenario: whether a tag may charge, of many that are entered
    local_lists  scenario: the local lists of a fleet filled and amended
    metering     scenario: what counting costs; `unmetered` runs the processes that count nothing
    sites        scenario: what one round of a site's allocator costs, without a system
    outcome      the size of a run and all figures of one
    registry     all scenarios by name
    targets      what a figure has to reach
    verify       the load's own ledger against what the system stored
    report       figures, the targets beside them, table and JSON

The load shares the machine with what it measures, so it is lean: no validation beyond the answer's, no task per
station, and its own CPU time is in the report.
"""
