"""The settings of authorization: tags that are kept elsewhere, and local lists."""

from typing import Annotated, Any, Literal

import msgspec

from shared.settings.files import FileSettings
from shared.settings.secret import Secret


def _auth(text: str, unit: str = "", **bounds: Any) -> msgspec.Meta:
    """Describe one field, as `shared.settings.model` does."""
    return msgspec.Meta(description=text, extra={"group": "Authorization", "unit": unit}, **bounds)


class AuthorizationSettings(FileSettings, frozen=True, kw_only=True):
    """A part of `Settings`, on top of that of files."""

    authorizer_url: Annotated[
        str,
        _auth(
            "HTTP service that is asked about tags that nobody entered here; empty: none (docs/authorization.md).",
            pattern=r"^(https?://[^@?#\s]+)?$",
        ),
    ] = ""
    authorizer_token: Annotated[Secret, _auth("Bearer token for authorizer_url.")] = Secret("")
    authorizer_timeout_s: Annotated[
        float, _auth("How long a station's frame waits for its answer, the time in line included.", "s", gt=0, le=5)
    ] = 2.0
    authorizer_concurrency: Annotated[
        int, _auth("Questions that one worker has out at a time; the others stand in line.", ge=1, le=1000)
    ] = 50
    authorizer_fresh_s: Annotated[
        float, _auth("An answer younger than this counts for the same tag without asking again.", "s", ge=0, le=86400)
    ] = 60.0
    authorizer_stale_s: Annotated[
        float,
        _auth("Bound of the fall-back: a last answer older than this counts no more.", "s", ge=0, le=31536000),
    ] = 86400.0
    authorizer_fallback: Annotated[
        Literal["refuse", "last_known", "accept"],
        _auth(
            "Where it does not answer: refuse; what it said last counts, else refuse; the same, else accept and flag "
            "the transaction."
        ),
    ] = "last_known"
    authorizer_failures: Annotated[
        int, _auth("So many failures in a row, and a worker does not ask for a while.", ge=1, le=1000)
    ] = 5
    authorizer_pause_s: Annotated[
        float, _auth("That while; then one question tells whether it is back.", "s", gt=0, le=3600)
    ] = 10.0
    local_list_settle_s: Annotated[
        float, _auth("Changes of tags within so much time become one version of the local lists.", "s", ge=0.2, le=3600)
    ] = 5.0
