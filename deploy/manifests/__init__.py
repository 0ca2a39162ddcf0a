"""Kubernetes manifests, from the same settings as everything else.

    choices.py    what is set here and what follows from it: settings, sizes, times
    parts.py      what objects share: names, labels, containers, probes, confinement
    edge.py       edges: deployment, services, autoscaler on connections, disruption budget
    worker.py     workers: deployment, service, KEDA on the streams' lag, disruption budget
    files.py      files for stations: a component for overlays, with a claim that all edges share
    tls.py        TLS for stations that ends at the edges: a component for overlays, with a certificate of yours
    namespace.py  the namespace, its settings, its networks, what is scraped
    output.py     objects -> the files of deploy/kubernetes

Valkey is not among them: what keeps everything wants a disk of its own, and people who know it (docs/deployment.md).
"""
