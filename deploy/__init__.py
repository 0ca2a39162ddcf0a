"""How Ampstream runs elsewhere than on one's own machine.

compose.yaml and Dockerfile, at the top of the repository, use what is here:

    haproxy/        the balancer before the edges           valkey/      configuration, users, how it starts
    grafana/        where Grafana finds Prometheus          secrets.sh   makes passwords (secrets/, never committed)
    demo.env        a simulated fleet beside it             locked.py    the part of requirements.lock for the image
    kubernetes/     manifests                               systemd/     units for edges and workers

`python -m deploy` writes what is derived, `--check` proves it fresh (`__main__`):

    roles.py        who may do what in Valkey -> valkey/users.acl
    manifests/      objects of Kubernetes     -> kubernetes/*.yaml, kubernetes/files/*.yaml
"""
