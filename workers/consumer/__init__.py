"""From uplink entries to settled outcomes: read, load, decide, commit, barrier, emit, settle.

partition.py  PartitionConsumer: one supervised task per partition: own history, then claims, then new entries
batch.py      Batch: decides and commits entries, one per station and round, until nothing conflicts
emission.py   what committed outcomes owe: events, effects, timers, deliveries; then the settling
poison.py     entries that failed before: alone, counted, and at last to quarantine
waiting.py    entries that wait for something slow, beside the partition
counting.py   what committed decisions counted, as metrics
following.py  spans and log lines of single entries
"""
