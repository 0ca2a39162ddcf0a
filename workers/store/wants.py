"""What a decision needs beyond the station's state, as data: the consumer loads it, the decider asks for it.

A decider first sees what `dispatch` asked for in advance; where it finds that it needs more it raises `Missing`, the
consumer loads that and decides again. So deciders stay free of IO.
"""

from __future__ import annotations

import msgspec


class WantTag(msgspec.Struct, frozen=True):
    """The `IdTag` record of `id_tag` (lower case), or None."""

    id_tag: str


class WantVerdict(msgspec.Struct, frozen=True):
    """The external authorizer's last `Verdict` about `id_tag` (lower case) that may still be used, or None."""

    id_tag: str


class WantSite(msgspec.Struct, frozen=True):
    """The name of the site that the station is in, or the empty string."""


class WantPolicies(msgspec.Struct, frozen=True):
    """The authorization `Policies` of the fleet, or None where there are none."""


class WantListHead(msgspec.Struct, frozen=True):
    """The `Head` of a policy's local list, or None where it was not made yet."""

    policy: str


class WantListItems(msgspec.Struct, frozen=True):
    """Up to `count` `(version, Item)` of a policy's local list behind `cursor`, up to version `upto`, as a tuple."""

    policy: str
    cursor: str
    upto: int
    count: int


class WantJudgement(msgspec.Struct, frozen=True):
    """What the external authorizer says now: a `Judgement`. It takes long, so the entry waits beside its partition."""

    id_tag: str
    """As it is told, with the station's rules on tags."""
    station_id: str
    where: str
    """`authorize` or `start`."""
    group: str = ""
    site: str = ""


class WantTransaction(msgspec.Struct, frozen=True):
    """The closed `Transaction` of this station, or None."""

    transaction_id: int


class WantStart(msgspec.Struct, frozen=True):
    """The transaction id (int) that a start's business key led to, or None."""

    start_key: str


class WantReadings(msgspec.Struct, frozen=True):
    """All `Reading`s of a transaction as a tuple (0: the station's samples of no transaction, the newest 1,000)."""

    transaction_id: int


class WantLatestReadings(msgspec.Struct, frozen=True):
    """The newest `count` `Reading`s of a transaction, in the order in which they came, as a tuple."""

    transaction_id: int
    count: int


class WantTemplates(msgspec.Struct, frozen=True):
    """The `Templates` of the fleet, or None where there are none."""


class WantModelList(msgspec.Struct, frozen=True):
    """The `ModelList` of this digest, or None."""

    digest: str


class WantSeen(msgspec.Struct, frozen=True):
    """The kept answer (bytes) to a call with this digest, or None."""

    digest: str


class WantCommand(msgspec.Struct, frozen=True):
    """A `CommandRecord`, or None."""

    command_id: str


class WantSurplusCommands(msgspec.Struct, frozen=True):
    """The ids (str) of the station's ended commands but for the `keep` newest, as a tuple."""

    keep: int


class WantSnapshot(msgspec.Struct, frozen=True):
    """The last `Snapshot` of the station's configuration, or None."""


class WantDrifts(msgspec.Struct, frozen=True):
    """All `Drift`s of the station that are kept, as a tuple."""


class WantDriftRules(msgspec.Struct, frozen=True):
    """The `DriftRules` that operators set, or None where they set none."""


class WantQuarantined(msgspec.Struct, frozen=True):
    """A `Quarantined` frame, or None."""

    quarantine_id: str


class WantPresence(msgspec.Struct, frozen=True):
    """`(node, epoch)` of the live presence key, or None."""


class WantLeastProfile(msgspec.Struct, frozen=True):
    """The security profile (int) below which the station's door lets nobody in; 0: it lets anybody in."""


class WantTransactionId(msgspec.Struct, frozen=True):
    """A fresh, durable transaction id (int): the same for every further decision about the same entry."""


class WantSlot(msgspec.Struct, frozen=True):
    """True where the tag granted `holder` a place under its concurrent limit (idempotent by holder), else False."""

    id_tag: str
    holder: str
    limit: int


Want = (
    WantTag
    | WantVerdict
    | WantSite
    | WantPolicies
    | WantListHead
    | WantListItems
    | WantJudgement
    | WantTransaction
    | WantStart
    | WantReadings
    | WantLatestReadings
    | WantTemplates
    | WantModelList
    | WantSeen
    | WantCommand
    | WantSurplusCommands
    | WantSnapshot
    | WantDrifts
    | WantDriftRules
    | WantQuarantined
    | WantPresence
    | WantLeastProfile
    | WantTransactionId
    | WantSlot
)


class Missing(Exception):
    """A decision needs `want`, which was not loaded; the consumer loads it and decides again."""

    def __init__(self, want: Want) -> None:
        super().__init__(want)
        self.want = want
