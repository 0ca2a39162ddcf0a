"""The queue of transaction messages of one station, in order, with the standard's retries (OCPP 1.6 §3.7).

Only the head is ever sent. A CALLERROR or no answer in time is a *failure to process*: the head is sent again after
TransactionMessageRetryInterval times the number of its transmissions, and given up after TransactionMessageAttempts
(§3.7.1). A lost connection is no such failure: the head stays, and goes out again, under a new message id, when the
station is back.
"""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

import msgspec

from shared.ocpp.v16.messages import MeterValuesRequest, StartTransactionRequest, StopTransactionRequest

TransactionMessage: TypeAlias = StartTransactionRequest | MeterValuesRequest | StopTransactionRequest
NEVER_STARTED = -1
"""The transaction id of a stop whose start was given up: there is none to send."""


class Charging:
    """What the messages of one transaction share: its ledger key, and the id once the CSMS gave one."""

    __slots__ = ("key", "transaction_id")

    def __init__(self, key: str, transaction_id: int | None = None) -> None:
        self.key = key
        self.transaction_id = transaction_id


class Item:
    """One message that waits; `what` is its name in the ledger."""

    __slots__ = ("charging", "payload", "transmissions", "what")

    def __init__(self, charging: Charging, what: str, payload: TransactionMessage) -> None:
        self.charging = charging
        self.what = what
        self.payload = payload
        self.transmissions = 0

    def request(self) -> TransactionMessage:
        """Return the payload with the transaction id as it is known by now: queued items are older than their id."""
        number = self.charging.transaction_id
        if isinstance(self.payload, StartTransactionRequest):
            return self.payload
        if isinstance(self.payload, StopTransactionRequest):
            return msgspec.structs.replace(self.payload, transaction_id=NEVER_STARTED if number is None else number)
        return msgspec.structs.replace(self.payload, transaction_id=number)


class Backlog:
    """Transaction messages in order; at most one is out."""

    __slots__ = ("_items", "_not_before", "_out")

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._not_before = 0.0
        self._out = False

    def __len__(self) -> int:
        return len(self._items)

    def push(self, item: Item) -> None:
        """Queue a message."""
        self._items.append(item)

    def wait_s(self, now: float) -> float | None:
        """Return how long the head has to wait, 0 where it may go, None where nothing may (empty, or one is out)."""
        if self._out or not self._items:
            return None
        return max(self._not_before - now, 0.0)

    def take(self) -> Item:
        """Return the head, which is out from now on."""
        head = self._items[0]
        head.transmissions += 1
        self._out = True
        return head

    def acked(self) -> Item:
        """Remove the head: it was answered."""
        self._out = False
        self._not_before = 0.0
        return self._items.popleft()

    def lost(self) -> None:
        """Keep the head: the connection went away with the answer."""
        if self._out:
            self._out = False
            # This transmission proved nothing about the CSMS.
            self._items[0].transmissions -= 1

    def failed(self, now: float, attempts: int, interval_s: float) -> Item | None:
        """Note that the head failed; return it where that was its last attempt."""
        self._out = False
        head = self._items[0]
        if head.transmissions >= attempts:
            self._not_before = 0.0
            return self._items.popleft()
        self._not_before = now + interval_s * head.transmissions
        return None
