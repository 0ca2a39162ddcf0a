"""The one door to Redis. Carries bytes; knows no OCPP.

keys.py      every key, and which partition a station belongs to
lane.py      Lane: one pipelined connection, the frame's path to Redis
scripts.py   the Lua scripts of `lua/`, as commands for a Lane
streams.py   the group on the uplinks, reading, claiming, settling
lua/         verb_noun.lua, each with a header: KEYS, ARGV, Returns
"""
