"""arq's part: deferred, retried and scheduled jobs beside the stream consumers. No promise rests on any of them.

runner.py       runs arq's worker inside ours and starts it again when it ends
maintenance.py  removes dead consumers, frees places held by no open transaction, mends indexes
quotas.py       keeps events, quarantine and histories within their bytes
security.py     keeps the audit log and security events within their bounds, and checks the log's chain
places.py       places under id tags' limits, and the index of tags
indexes.py      what the indexes must hold of a station, by its own records
rebuild.py      derives every index anew from the records (`ampstream doctor --rebuild`)
charging.py     stations with open transactions, in batches
stuck.py        counts transactions that look forgotten
bulk/           jobs over many stations: advanced by one worker at a time, beside arq (it would be late by seconds)
local_lists/    local authorization lists, derived from the tags and kept in step over the fleet, likewise
signing.py      has stations' certificates signed, by the built-in authority or another
sites/          shares the capacity of sites: one worker at a time for each, beside arq too
demand/         demand response: events begin and end on time, likewise; the VEN of OpenADR
alone.py        what one of many raises in a beat stays its own
rhythm.py       what is done now and then in a loop that beats more often
firmware/       campaigns of firmware, likewise
works.py        stations of a job or a campaign, from one place to the next
reconcile.py    looks again at reconciliations whose time has come
"""
