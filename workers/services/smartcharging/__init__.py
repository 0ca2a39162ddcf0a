"""Smart charging: what stations are allowed to draw.

taking.py        what a station takes: its configuration, what probes have shown, rules
words.py         how stations of a version are told, and asked
assigning.py     profiles on their way to a station: wanted, accepted, verified
obeying.py       whether a station draws what it was allowed
room.py          what is left of a tree of circuits, and how it is filled evenly
allocation.py    who gets how much of a site's capacity, and what may be sent on the way there
for_sites.py     profiles that a site's allocator wants on a station, or off it
planning.py      what a transaction is to be given by when
"""
