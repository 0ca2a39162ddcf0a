"""Where families are declared, and the label values that more than one of them takes."""

from typing import Final

from shared.series import OTHER, Registry

REGISTRY: Final = Registry()

ACTIONS: Final[set[str]] = {OTHER}
"""The actions of either side; grows by `register_actions` alone."""
ENTRIES: Final[set[str]] = {
    *("answer", "opened", "closed", "expired", "not_written", "wakeup", "request", "canary", "unreadable", OTHER)
}
"""What an uplink entry may be: a CALL's action, or a kind."""
PROTOCOLS: Final = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1", "none")
