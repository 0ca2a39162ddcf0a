"""X.509 certificates of stations: what they are known by, how requests are checked, who signs them.

    errors.py      what can be wrong with one
    names.py       serial number and issuer: what one is revoked and listed by
    reading.py     what is shown of a certificate
    requests.py    a station's signing request, held against what is asked of it
    authority.py   the built-in authority: its own key and certificate, and what it signs
    signatures.py  signatures over firmware
    revocation.py  revocation lists from files

All but the first two need `cryptography`: import them where a certificate is at hand, not before (30 ms of CPU).
"""
