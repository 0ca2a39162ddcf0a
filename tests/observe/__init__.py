"""Proof with a real Prometheus: `make observe` (`python -m tests.observe`), some nine minutes.

Two edges, two workers and a Valkey as real processes, a simulated fleet that charges, people who send commands and
stations that deviate; redis_exporter, Prometheus and Alertmanager beside them, with this repository's configuration. It
requires data from every query of every dashboard, from every recording rule, and a series for every selector of every
alert. Then it injects faults and requires that the right alert fires, reaches the right receiver, that nobody is paged
for anything else, and that it resolves.

Time runs fifteen times as fast for all that watches: scrapes, windows, `for`, waits (`scaling`). What alerts compare
with, as 10 s of lag, is not scaled.

scaling      prometheus.yml, rules.yaml and alertmanager.yaml with their durations scaled
questions    every query of panels, variables, annotations and rules, and every selector of alerts
prometheus   Prometheus's API, and what is asked of it here
watching     which alerts fire from when to when, and who is told
stage        the system under load with all that watches it
load         the load: fleets, operators, and stations that do what should not happen
care         what operators do now and then: keys, certificates, lists, firmware, probes, demand response
faults       what goes wrong, and which alert must say so
judging      one fault after the other, and what it must show
pictures     the dashboards drawn from the run's data, for docs/dashboards.md
"""
