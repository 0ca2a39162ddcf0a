"""The one door to Redis. Carries bytes; knows no OCPP.

keys.py      every key, and which partition a station belongs to
firmware_keys.py  those of firmware, its campaigns, and files
demand_keys.py  those of demand response and of prices
barrier.py   waits until replicas have a write on disk
server.py    asks a Redis what it is, and whether it may be trusted
schema.py    the version of what is stored, and when it may rise
lane.py      Lane: one pipelined connection, the frame's path to Redis
clock.py     Redis's clock
scripts.py   the Lua scripts of `lua/`, as commands for a Lane
lease.py     Lease: who does what one process at a time does
streams.py   the group on the uplinks, reading, claiming, settling
lua/         verb_noun.lua, each with a header: KEYS, ARGV, Returns
"""
