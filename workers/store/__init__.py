"""What a worker remembers: loading a station's state, collecting a decision, committing it.

view.py      StationView: a station's state as loaded, sections decoded when first looked at
draft.py     Draft: what a decision changes: sections, other keys, events, effects, timers, downlink items
outbox.py    Outbox: the whole outcome of a decision, packed into one field of the station's hash
wants.py     what a decision needs beyond the state: tags, closed transactions, samples
loading.py   the one pipeline that reads what a batch needs
commit.py    the one script call per decision, and its four results
"""
