"""What one worker at a time does for all: turns due timers and passed presence deadlines into uplink entries.

    due.py       Sweep: timers and deadlines to WAKEUP and EXPIRED entries, held back after a pause
    expiry.py    listens to key expiry, which wakes the sweep before its time
    models.py    what operators say of models, brought into this process
    fleet.py     the gauges of the whole system, from indexes and streams, never from a key scan

Sweeping twice does no harm: entries are compared with the epoch and the state, and members removed only where they were
not set anew.
"""
