"""Sites: who may draw how much, decided every few seconds for each site by the worker that holds its lease.

    runner.py    Runner: leases, which worker takes which site, and when a round is due
    limiting.py  what limits a site from outside: demand response, prices
    reading.py   what a round looks at: document, memory, base loads, stations, meters
    deciding.py  a round as a pure function: (site, memory, what was seen, now) -> what is told, what is remembered
    tree.py      the tree in numbers: limits and base loads of the moment
    seeing.py    a station as a round sees it; what its meter says of each phase of the grid
    knowing.py   the memory of a site from round to round, and what a station may draw by it
    judging.py   what each connector is to the allocator: charging, full, away, disobedient
    pricing.py   which transactions wait for cheaper hours; planning.py: the linear program behind it
    telling.py   whom to tell what now: hysteresis, ramps, and no station too often
    showing.py   the state for people, the minute for the history

A round reads, decides, and writes all that comes of it in one script under the site's lease: what it remembers and what
it asks of stations are on disk together, or not at all. Nothing rests on the memory of a process.
"""
