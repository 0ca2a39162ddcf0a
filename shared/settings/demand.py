"""The settings of demand response: how long events are kept, and the VTN (OpenADR 3) whose events are followed."""

from typing import Annotated, Any

import msgspec

from shared.settings.authorization import AuthorizationSettings
from shared.settings.secret import Secret


def _demand(text: str, unit: str = "", **bounds: Any) -> msgspec.Meta:
    """Describe one field, as `shared.settings.model` does."""
    return msgspec.Meta(description=text, extra={"group": "Demand response", "unit": unit}, **bounds)


class DemandSettings(AuthorizationSettings, frozen=True, kw_only=True):
    """A part of `Settings`, on top of that of authorization."""

    demand_retention_s: Annotated[
        int, _demand("Demand response events and their reports are forgotten after so long.", "s", ge=3600)
    ] = 31536000
    openadr_url: Annotated[
        str,
        _demand(
            "Base URL of a VTN of OpenADR 3 whose events are followed; empty: none (docs/demand-response.md).",
            pattern=r"^(https?://[^@?#\s]+)?$",
        ),
    ] = ""
    openadr_token_url: Annotated[
        str,
        _demand("Where its tokens are given out; empty: /auth/token under it.", pattern=r"^(https?://[^@?#\s]+)?$"),
    ] = ""
    openadr_client_id: Annotated[str, _demand("Client id for tokens; empty: the VTN is asked without one.")] = ""
    openadr_client_secret: Annotated[Secret, _demand("Client secret for tokens.")] = Secret("")
    openadr_scope: Annotated[str, _demand("Scopes that are asked for with a token, by spaces; empty: none.")] = ""
    openadr_program: Annotated[str, _demand("Only events of this program, by its id; empty: of all.")] = ""
    openadr_ven_name: Annotated[
        str, _demand("What the VTN calls this VEN: events for other VENs are passed over.", min_length=1)
    ] = "ampstream"
    openadr_site: Annotated[
        str,
        _demand("The site, or `site/circuit`, of events that name none; empty: all stations."),
    ] = ""
    openadr_levels: Annotated[
        str,
        _demand(
            "Share in % of what was drawn before that is left at the levels 1, 2 and 3 of SIMPLE events.",
            pattern=r"^(100|[0-9]{1,2}),(100|[0-9]{1,2}),(100|[0-9]{1,2})$",
        ),
    ] = "67,33,0"
    openadr_poll_s: Annotated[float, _demand("How often the VTN is asked.", "s", ge=1, le=86400)] = 60.0
