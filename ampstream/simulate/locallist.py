"""The local authorization list of a station (OCPP 1.6 §3.5.2, §5.10, §5.15)."""

from __future__ import annotations

from ampstream.simulate.configuration import Configuration
from shared.ocpp.v16.datatypes import IdTagInfo
from shared.ocpp.v16.enums import UpdateStatus, UpdateType
from shared.ocpp.v16.messages import SendLocalListRequest


class LocalList:
    """Tags by the CSMS's list, and the version of that."""

    __slots__ = ("_at_once", "_configuration", "_tags", "_version")

    def __init__(self, configuration: Configuration, at_once: int = 0) -> None:
        """`at_once`: takes only so many tags in a message, whatever its configuration says; 0: as that says."""
        self._configuration = configuration
        self._at_once = at_once
        self._tags: dict[str, IdTagInfo] = {}
        self._version = 0

    @property
    def version(self) -> int:
        """The list's version: 0 for an empty one (§5.10)."""
        return self._version if self._tags else 0

    def find(self, id_tag: str) -> IdTagInfo | None:
        """Return what the list says of a tag; None: nothing."""
        return self._tags.get(id_tag) if self._configuration.switch("LocalAuthListEnabled") else None

    def forget(self) -> None:
        """Lose the list."""
        self._tags, self._version = {}, 0

    def update(self, request: SendLocalListRequest) -> UpdateStatus:
        """Do what SendLocalList asks: all or nothing (§5.15)."""
        if not self._configuration.switch("LocalAuthListEnabled"):
            return UpdateStatus.NOT_SUPPORTED
        entries = request.local_authorization_list or ()
        full = request.update_type == UpdateType.FULL
        if not full and request.list_version <= self._version:
            return UpdateStatus.VERSION_MISMATCH
        names = [entry.id_tag for entry in entries]
        too_many = len(names) > (self._at_once or self._configuration.number("SendLocalListMaxLength"))
        # A full list without IdTagInfo of a tag, or with a tag twice, is none (§7.2).
        broken = len(set(names)) != len(names) or (full and any(entry.id_tag_info is None for entry in entries))
        if too_many or broken or request.list_version < 0:
            return UpdateStatus.FAILED
        tags = {} if full else dict(self._tags)
        for entry in entries:
            if entry.id_tag_info is None:
                tags.pop(entry.id_tag, None)
            else:
                tags[entry.id_tag] = entry.id_tag_info
        if len(tags) > self._configuration.number("LocalAuthListMaxLength"):
            return UpdateStatus.FAILED
        self._tags, self._version = tags, request.list_version
        return UpdateStatus.ACCEPTED
