"""Takes at-most-once out of jobs: a station's command has a new id each time that it is asked for."""

from __future__ import annotations

import secrets
from collections import defaultdict

import msgspec

from shared.records.commands import make_id
from shared.records.requests import SendCommand
from workers.services import bulk, requests
from workers.store.draft import Draft


def apply() -> None:
    """Let no request of a job find the command that it made before; in one process one entry has one id."""
    secret: defaultdict[str, str] = defaultdict(secrets.token_hex)

    def begin(draft: Draft, request: SendCommand) -> bool:
        command_id = make_id(draft.origin.received_at, secret[draft.origin.entry_id])
        return bulk.begin(draft, msgspec.structs.replace(request, command_id=command_id))

    assert requests._FOR_JOBS[SendCommand] is bulk.begin
    requests._FOR_JOBS[SendCommand] = begin
