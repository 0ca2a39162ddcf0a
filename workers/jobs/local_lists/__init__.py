"""The fleet's local lists: derived from the tags, versioned, and stations that lack a version are sent it by a job.

    runner.py     Runner: the lease, when something has changed, and what a beat does
    deriving.py   a policy's list out of all tags: what differs from the last version becomes the next
    stations.py   which stations are out of step, and the jobs that bring them in step

Nothing rests on the runner's memory: items are written before the head that names them, so whoever takes over finds
what was begun and ends it. A station's own part is decided by its commits (`workers.services.local_lists`).
"""
