"""Smart charging: what stations are allowed to draw.

words.py         how stations of a version are told, and asked
assigning.py     profiles on their way to a station: wanted, accepted, verified
obeying.py       whether a station draws what it was allowed
allocation.py    who gets how much of a site's capacity, and what may be sent on the way there
"""
