"""What a station proves itself by, as far as Ampstream changes it: section `ke`.

A key on its way stands in `Rotation.key` until the station has refused it or come with it: it must be sent again,
unchanged, where it may not have been taken. It is nowhere else: a command's record, events and logs have `***`.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

EVERY_GROUP: Final = "*"
"""The security policy that counts for every station."""
ORIGIN: Final = "key_rotation"
"""Of the command that carries a key."""
RotationState = Literal["sending", "unknown", "taken", "refused", "done"]
"""`sending`: the command is queued or sent. `unknown`: it was sent, and nobody knows whether the station took the key.
`taken`: it did, and has not come with it yet. `refused`: it keeps its old one. `done`: it came with the new one."""
OPEN: Final[frozenset[RotationState]] = frozenset({"sending", "unknown", "taken"})
"""Both keys open the door."""


class Rotation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The change from one key to the next; the newest one is kept."""

    state: RotationState
    began_at: int
    changed_at: int
    by: str = ""
    key: str = ""
    """The new key until the station has come with it; 40 hex characters."""
    key_hash: str = ""
    """What is stored of it; the door's `pending_key` as long as both count."""
    command_id: str = ""
    sent: int = 0
    """How often it was sent."""
    answer: str = ""
    """What the station said, where it refused or wants a reboot first."""
    needs_reboot: bool = False
    """It takes the key when it is rebooted."""
    jobs: tuple[str, ...] = ()
    """Jobs that wait for its end."""


class Credentials(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Section `ke`."""

    rotation: Rotation | None = None
    rotated_at: int = 0
    """When a rotation was last done."""
