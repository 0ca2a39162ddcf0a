"""A station with connectors, in memory: sends transaction messages through dispatch and reads what was stored.

site = Site()
answer = site.start(meter=1000)             # the CALLRESULT's payload
site.meter(1500, transaction=answer.id)
site.stop(2000, transaction=answer.id)
site.transaction(answer.id).energy_wh       # 1000
"""

from __future__ import annotations

from typing import Any

from shared.bus import keys
from shared.ocpp.timestamps import format_time
from shared.policy import Policy
from shared.records.history import Fact
from shared.records.packing import unpack
from shared.records.transactions import Reading, Transaction
from tests.workers.harness import World


class Site(World):
    """An accepted station with an open session; every message gets the present time unless `at` (ms) is given."""

    def __init__(self, policy: Policy | None = None, connectors: int = 0, **boot: str) -> None:
        super().__init__(policy=policy)
        self.open()
        self.boot(**boot)
        for connector in range(1, connectors + 1):
            self.status(connector, "Available")

    def boot(self, **fields: str) -> None:
        """Send a BootNotification."""
        self.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One", **fields})

    def status(self, connector: int, status: str) -> None:
        """Send a StatusNotification."""
        fields = {"connectorId": connector, "status": status, "errorCode": "NoError", "timestamp": self.time()}
        self.call("StatusNotification", fields)

    def time(self, at: int | None = None) -> str:
        """Return a time as a station writes it."""
        return format_time(self.now if at is None else at)

    def start(
        self,
        *,
        connector: int = 1,
        tag: str = "TAG1",
        meter: int = 1000,
        at: int | None = None,
        epoch: int | None = None,
        **more: Any,
    ) -> Any:
        """Send a StartTransaction; returns the answer's payload, None for a late one."""
        fields = {"connectorId": connector, "idTag": tag, "meterStart": meter, "timestamp": self.time(at), **more}
        return self.sent("StartTransaction", fields, epoch)

    def begin(self, **fields: Any) -> int:
        """Send a StartTransaction; returns the transaction's id."""
        number: int = self.start(**fields)["transactionId"]
        return number

    def meter(
        self,
        wh: int | str | None = None,
        *,
        transaction: int | None = None,
        connector: int = 1,
        at: int | None = None,
        samples: list[dict[str, str]] | None = None,
        epoch: int | None = None,
    ) -> Any:
        """Send MeterValues of one timestamp: the energy register, or `samples`."""
        sampled = samples if samples is not None else [{"value": str(wh)}]
        fields: dict[str, Any] = {
            "connectorId": connector,
            "meterValue": [{"timestamp": self.time(at), "sampledValue": sampled}],
        }
        if transaction is not None:
            fields["transactionId"] = transaction
        return self.sent("MeterValues", fields, epoch)

    def stop(
        self,
        meter: int,
        *,
        transaction: int | None = -1,
        at: int | None = None,
        tag: str | None = None,
        data: list[tuple[int, int]] | None = None,
        begin: tuple[int, int] | None = None,
        epoch: int | None = None,
        **more: Any,
    ) -> Any:
        """Send a StopTransaction; `data`: (time, Wh) samples in transactionData, `begin`: the Transaction.Begin one."""
        fields: dict[str, Any] = {"meterStop": meter, "timestamp": self.time(at), "transactionId": transaction, **more}
        if tag is not None:
            fields["idTag"] = tag
        values = [{"timestamp": self.time(at), "sampledValue": [{"value": str(wh)}]} for at, wh in data or ()]
        if begin is not None:
            sample = {"value": str(begin[1]), "context": "Transaction.Begin"}
            values.insert(0, {"timestamp": self.time(begin[0]), "sampledValue": [sample]})
        if values:
            fields["transactionData"] = values
        return self.sent("StopTransaction", fields, epoch)

    def sent(self, action: str, fields: dict[str, Any], epoch: int | None = None) -> Any:
        """Send a CALL that must be answered with a CALLRESULT, unless it is late."""
        answer = self.call(action, fields, epoch=epoch)
        if epoch is not None and epoch < self.epoch:
            assert answer is None, "a late entry gets no answer"
            return None
        assert answer[0] == 3, f"{action} got {answer}"
        return answer[2]

    @property
    def opened(self) -> dict[int, Transaction]:
        """The open transactions by id."""
        return self.view.charging.open

    def transaction(self, number: int) -> Transaction:
        """Return a transaction, open or closed."""
        found = self.opened.get(number)
        if found is not None:
            return found
        return unpack(self.memory.data[keys.transaction(self.station_id, number)], Transaction)

    @property
    def transactions(self) -> list[Transaction]:
        """Every transaction of the station, by id."""
        index = self.memory.data.get(keys.transactions(self.station_id), {})
        return [self.transaction(int(number)) for number in sorted(index, key=int)]

    def readings(self, number: int) -> list[Reading]:
        """Return the stored readings of a transaction; 0: of none."""
        key = keys.meter(self.station_id, number) if number else keys.samples(self.station_id)
        return [unpack(fields[1], Reading) for _, fields in self.memory.data.get(key, [])]

    @property
    def history(self) -> list[Fact]:
        """The facts in the station's history."""
        entries = self.memory.data.get(keys.history(self.station_id), [])
        return [unpack(fields[1], Fact) for _, fields in entries]
