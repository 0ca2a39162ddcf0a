"""Charging stations that nobody has to buy: a fleet of them in one process, or one that a test plays by hand.

A fleet (`ampstream simulate`):

    command        the click command
    fleet          many stations on one loop: dialling, failover between edges, the status line
    chargepoint    one simulated 1.6 station: boot, heartbeat, one CALL at a time, reconnects
    session        one connector: plug in, authorise, start, meter values, stop, unplug
    metering       its meter: what it reads and when it is told
    backlog        the queue of transaction messages, with the standard's retries
    messenger      its calls and answers over the connections that it has one after the other
    reports        the boot, and the transaction messages that its sessions send
    visit          one car that charges, and what a connector needs of its station
    answers        what a station answers to the CSMS's calls: the Core profile and triggers
    commands       the same beyond the Core profile
    features       what stands behind that, each made when first used
    reservations   who reserved which connector
    locallist      the local authorization list
    schedules      charging profiles and their composite, and what they let a car draw
    allowance      what profiles allow at a moment, and when that changes
    flow           a car under those limits: the station's reaction, pauses, disobedience
    deviations     what is answered to charging profiles by models that get it wrong
    upkeep         firmware, diagnostics and logs; transfers: their files, moved over HTTP
    identity       its key and its own certificate
    certificates   root certificates
    configuration  its configuration, changed and reported
    keys           the configuration keys that there are, by feature profile
    behaviours     how stations deviate: refusing, slow, rebooting, reverting, and quirks of vendors, as data
    makes          makes that are known for some of that (makes.toml)
    refusals       how an action is refused
    distortions    what is done to all that a station says
    profiles       how cars and networks behave: steady, commuter, storm, replay
    physics        what a car draws: power, energy and state of charge as functions of time
    samples        the meter readings made of it
    drawlog        what stations truly drew at every moment, for tests
    models         vendors and models, and what their outlets deliver
    world          what all stations share: seed, time, speed, ledger, counters
    wheel          timers of the whole fleet on one timer of the loop

The stations' own record, and what it proves:

    ledger         every logical start, meter value and stop, on disk before it is sent, and every answer
    resume         what a station still has to report when its fleet is started again
    audit          ledger against what the system stored: violations of the invariants I1, I2, I3, I5, I6
    snapshot       what the system stored, through its API

The way onto the wire:

    websocket      a thin client: one protocol object per connection
    wsframes       RFC 6455 without IO
    station        one station that a test scripts frame by frame
"""
