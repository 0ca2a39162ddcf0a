"""Stations as they are wanted: templates and the policy on meter data.

templates.py    holds what a station told against what is wanted of it: which keys are to be set
search.py       the largest list of measurands that a station takes
running.py      sets key after key, reads back, concludes; what sets it going and what it waits for
concluding.py   what a run came to: states, indexes, flags, events
rebooting.py    a reboot where one is needed, when nobody charges
delivery.py     whether a transaction's data met the policy
dialect.py      the words of a version, filled by handlers
asking.py       what operators ask for
"""
