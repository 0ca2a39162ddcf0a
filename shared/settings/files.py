"""The settings of files that stations fetch and leave: firmware, diagnostics, logs."""

from typing import Annotated, Any

import msgspec


def _files(text: str, unit: str = "", **bounds: Any) -> msgspec.Meta:
    """Describe one field, as `shared.settings.model` does."""
    return msgspec.Meta(description=text, extra={"group": "Files and firmware", "unit": unit}, **bounds)


class FileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A part of `Settings`."""

    transfer_dir: Annotated[
        str,
        _files("Directory of firmware images, diagnostics and logs, shared by all edges; empty: none are taken."),
    ] = ""
    transfer_host: Annotated[str, _files("Address where stations fetch and leave files.", min_length=1)] = "127.0.0.1"
    transfer_port: Annotated[int, _files("Port where stations fetch and leave files.", ge=0, le=65535)] = 9080
    transfer_tls: Annotated[
        bool, _files("Serve that port over TLS, with the certificates of the stations' listener.")
    ] = False
    transfer_url: Annotated[
        str,
        _files(
            "URL of that port for stations; the same in edges and workers. Empty: made of the address.",
            pattern=r"^(https?://[^@?#\s]+[^/@?#\s])?$",
        ),
    ] = ""
    transfer_allowed: Annotated[
        str,
        _files(
            "Other places that stations may be sent to for files, comma separated, e.g. "
            "ftp://files.example.com, https://*.example.org; empty: none."
        ),
    ] = ""
    transfer_connections: Annotated[
        int, _files("Files that one edge moves at a time; more are answered 503.", ge=1, le=100_000)
    ] = 200
    transfer_idle_s: Annotated[
        float, _files("A transfer of which nothing moves for so long is ended.", "s", gt=0, le=3600)
    ] = 30.0
    transfer_rate_bytes: Annotated[
        int, _files("A transfer that is slower on average is ended.", "B/s", ge=0, le=1_000_000_000)
    ] = 512
    transfer_link_s: Annotated[
        int, _files("How long a station has to fetch or leave a file.", "s", ge=60, le=604800)
    ] = 86400
    upload_max_bytes: Annotated[int, _files("Largest file that a station may leave.", "B", ge=1)] = 268435456
    image_max_bytes: Annotated[int, _files("Largest firmware image.", "B", ge=1)] = 1073741824
    transfer_reserve_bytes: Annotated[int, _files("Space on the disk that is never filled with files.", "B", ge=0)] = (
        268435456
    )
    file_retention_s: Annotated[
        int, _files("Diagnostics and logs are deleted after so long.", "s", ge=60, le=315360000)
    ] = 2592000
