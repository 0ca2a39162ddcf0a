"""arq's part: deferred, retried and scheduled jobs beside the stream consumers. No promise rests on any of them.

runner.py       runs arq's worker inside ours and starts it again when it ends
maintenance.py  trims the event stream, removes dead consumers, frees places held by no open transaction
reconcile.py    looks again at reconciliations whose time has come
"""
