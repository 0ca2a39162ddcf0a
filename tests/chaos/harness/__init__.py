"""What crash tests stand on: real processes, stations that keep a ledger, and an auditor.

processes.py  one child process: started, killed, stopped, continued, ended; never outlives the test
system.py     System: Valkey, edges and workers with waits scaled down, and the points at which they may die
points.py     places in a process where it kills or stops itself, armed by a file
charger.py    Charger: one station played step by step, which notes everything in the ledger before it says it
ports.py      ports that belong to one test process until it ends
link.py       Link: the network between a process and Redis, which may fall silent
strangers.py  who dials in and is no station, by the thousand
badline.py    BadLine: the network between stations and an edge, slow and lossy
journal.py    Journal: what stations executed, and over which socket, synced before they answer
orders.py     commands asked for through the API, and the auditor of I8
cars.py       Cars: a small fleet of the simulator's stations with short sessions, on one ledger
operator.py   Operator: reads what the system stored, through its API
checks.py     the auditor: ledger against system for all but I8 and I11
"""
