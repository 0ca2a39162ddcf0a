"""The Lua scripts of `lua/`, as commands for a `Lane`.

Each is loaded when a lane connects. `flags=allow-oom` stands in those that must run when Redis is full: what drains it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final

import hiredis

SCRIPTS: Final[dict[str, Script]] = {}
"""Name -> script, every one of them."""


class Script:
    """One script of `lua/`; its header says what KEYS, ARGV and the reply are."""

    __slots__ = ("name", "sha", "source")

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = resources.files(__package__).joinpath("lua", f"{name}.lua").read_text()
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        SCRIPTS[name] = self

    def command(self, keys: Sequence[Any], args: Sequence[Any]) -> tuple[Any, ...]:
        """Return the command that runs it."""
        return ("EVALSHA", self.sha, len(keys), *keys, *args)


def sources() -> list[str]:
    """Return the text of every script, in the order of `SCRIPTS`."""
    return [script.source for script in SCRIPTS.values()]


def is_missing(error: hiredis.ReplyError) -> bool:
    """Tell whether Redis says that it does not know a script."""
    return str(error).startswith("NOSCRIPT")


COMMIT: Final = Script("commit")
STATE_TOKENS: Final = Script("state_tokens")
ACQUIRE_SLOT: Final = Script("acquire_slot")
REMOVE_DUE: Final = Script("remove_due")
APPLY_COMMANDS: Final = Script("apply_commands")
REMOVE_CONSUMER: Final = Script("remove_consumer")
PAGE_INDEX: Final = Script("page_index")
SWAP_RECORD: Final = Script("swap_record")
BEAT_NODE: Final = Script("beat_node")
REGISTER_SESSION: Final = Script("register_session")
CLOSE_SESSION: Final = Script("close_session")
TOUCH_PRESENCE: Final = Script("touch_presence")
SET_DEADLINES: Final = Script("set_deadlines")
REMOVE_DOWNLINK: Final = Script("remove_downlink")
MEND_INDEX: Final = Script("mend_index")
FREE_PLACE: Final = Script("free_place")
CREATE_JOB: Final = Script("create_job")
CHANGE_JOB: Final = Script("change_job")
START_STATIONS: Final = Script("start_stations")
MOVE_STATIONS: Final = Script("move_stations")
SETTLE_STATIONS: Final = Script("settle_stations")
FINISH_JOB: Final = Script("finish_job")
SWAP_UNTIL: Final = Script("swap_until")
REST_STATIONS: Final = Script("rest_stations")
REVIVE_STATIONS: Final = Script("revive_stations")
APPEND_AUDIT: Final = Script("append_audit")
SWAP_FIELDS: Final = Script("swap_fields")
PUT_SITE: Final = Script("put_site")
END_ROUND: Final = Script("end_round")
REMOVE_SITE: Final = Script("remove_site")
HOLD_LEASE: Final = Script("hold_lease")
LEAVE_LEASE: Final = Script("leave_lease")
