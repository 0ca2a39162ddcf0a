"""Campaigns of firmware: one worker at a time advances all of them, from records that any other can go on with.

    runner.py    Runner: the lease, the beat, and what a beat does for each campaign
    deciding.py  who may begin now, and whether the campaign must stop (pure)
    places.py    how a campaign's stations are begun, put off, tried again, and end (see `workers.jobs.works`)
    healing.py   stations that took long: what became of them, by their own records
    keeping.py   campaigns that ended long ago are forgotten

In the manner of `workers.jobs.bulk`: nothing rests on the runner's memory; a station is begun in one script that takes
it from its place and puts its request on the uplink, under the runner's lease; its result comes with the commit that
ended its update.
"""
