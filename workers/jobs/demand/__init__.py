"""Demand response: events begin and end on time, stations get their limits, and what came of it is measured.

    runner.py     Conductor: the lease, the beat, and what a beat does for each event
    beginning.py  an event begins: which stations, what they drew before, what the limit comes to
    holding.py    profiles on stations of an event without a site: sent, looked at, taken back
    measuring.py  what stations drew, from their meter values
    openadr.py    events and prices of a VTN, read now and then, and what it is told back
    vtn.py        the VTN over HTTP: its token, its lists, its reports
    oadr.py       what OpenADR 3 says, read loosely, and what it means here (pure)

Nothing rests on memory: what is wanted is in the event's record, how far each station got in its own row, and all that
is done may be done twice. A profile of an event ends on the station by itself when the event does.
"""
