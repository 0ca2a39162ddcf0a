"""Jobs over many stations: one worker at a time advances all of them, from records that any other can go on with.

    runner.py   Runner: the lease, the beat, and what a beat does for each job
    pace.py     how many stations may begin now: rate, jitter, stations at a time (pure)
    kinds.py    what a job does at a station, by kind
    rotating.py that of keys
    places.py   how a job's stations are begun, taken back, and end (see `workers.jobs.works`)
    healing.py  stations that took long: what became of them, by the station's own records
    keeping.py  jobs that ended long ago are forgotten

Nothing rests on the runner's memory. A station is begun in one script that takes it from `waiting` and puts its request
on the uplink, under the runner's lease; its result comes with the commit that ended its command.
"""
