"""Objects -> the files of `deploy/kubernetes`, in an order in which they can be applied."""

from __future__ import annotations

from typing import Any, Final

import yaml

from deploy.manifests import choices, edge, files, namespace, tls, worker
from deploy.manifests.parts import Object

HEAD: Final = "# Made by `python -m deploy` from deploy/manifests; changes here are lost. Set yours in an overlay.\n"
KUSTOMIZATION: Final = "kustomization.yaml"
FILES: Final = "files"
"""A component's folder."""
TLS: Final = "tls"
"""Another one's."""


def documents() -> dict[str, list[Object]]:
    """Return every file's objects by its name."""
    return {
        "namespace.yaml": namespace.objects(),
        "settings.yaml": namespace.settings(),
        "networks.yaml": namespace.networks(),
        "edge.yaml": edge.objects(),
        "worker.yaml": worker.objects(),
    }


def texts() -> dict[str, str]:
    """Return every file's text by its name; kustomization.yaml lists the others, and takes the image that you built.

    The components are in folders of their own: they are for overlays.
    """
    found = {name: HEAD + "---\n".join(map(_dumped, objects)) for name, objects in documents().items()}
    image, _, tag = choices.IMAGE.partition(":")
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": choices.NAMESPACE,
        "resources": list(found),
        "images": [{"name": image, "newName": image, "newTag": tag}],
    }
    components = _component(FILES, files.objects(), files.patch()) | _component(TLS, tls.objects(), tls.patch())
    return {KUSTOMIZATION: HEAD + _dumped(kustomization), **found, **components}


def _component(name: str, objects: list[Object], patch: Object) -> dict[str, str]:
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "resources": [f"{name}.yaml"],
        "patches": [{"path": "edge.yaml"}],
    }
    return {
        f"{name}/{KUSTOMIZATION}": HEAD + _dumped(kustomization),
        f"{name}/{name}.yaml": HEAD + "---\n".join(map(_dumped, objects)),
        f"{name}/edge.yaml": HEAD + _dumped(patch),
    }


class _Plain(yaml.SafeDumper):
    """Writes every object out: no anchors where two share a part."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never refer back."""
        return True


def _dumped(found: Object) -> str:
    return yaml.dump(found, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
