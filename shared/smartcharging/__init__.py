"""Smart charging as pure functions, for the operators' listener and the workers: no IO, no clock, no version of OCPP.

composite.py     what a station's profiles allow at which time (OCPP 1.6 §3.13)
comparing.py     that against what the station itself says
validation.py    what is wrong with a profile, by the standard and by a station's limits, and what to change
probe_checks.py  the checks of a probe, and what the standard says; probe_report.py: a probe as a page
limits.py        a station's limits, as its configuration tells
metering.py      what of a reading counts, of direct current too
demand.py        demand response: which limit holds when, what it comes to, who kept to it
prices.py        what energy costs at a moment
site_profiles.py how the profiles of a site's allocator are told from others
"""
