"""Who may do what in Valkey or Redis: one user per role, and nothing for anybody else.

The commands are those that a role sends, its scripts' own included: the tests run edges and workers as these users, and
fail where anything is denied. A script is code that its loader chose, so `eval` gives no more than `script|load` does.
`deploy/valkey/users.acl` is made from here.
"""

from __future__ import annotations

from typing import Final

import msgspec

PASSWORD: Final = "@{}@"  # noqa: S105  # a placeholder
"""Stands in the file for the digest of a role's password; `start.sh` puts it in."""

_CONNECTING: Final = "auth ping select client|setname client|setinfo"
_SCRIPTS: Final = "script|load evalsha"
_SERVER: Final = "time info config|get"
"""The clock, and what durability is checked by."""
_READING: Final = (
    "get pttl hget hgetall hmget hkeys hlen hvals lrange scard smembers xrange xrevrange xinfo|stream "
    "zcard zcount zlexcount zmscore zrange zscan zscore"
)
"""What `shared.records` and its queries read with."""


class Role(msgspec.Struct, frozen=True):
    """A user: which commands, on which keys, and which channels it may listen to."""

    name: str
    about: str
    commands: str
    keys: str = ""
    channels: str = ""
    appends: str = ""
    """Keys that the role may only read and append to: what is there it can neither change nor take away."""

    def rules(self) -> list[str]:
        """Return the rules of `ACL SETUSER`, in order, without name and password."""
        commands = [f"+{command}" for command in self.commands.split()]
        selectors = [f"(+evalsha +xadd {self.appends})"] if self.appends else []
        allowed = [*self.keys.split(), *self.channels.split()]
        return ["resetkeys", "resetchannels", *allowed, "-@all", *commands, *selectors]


EDGE: Final = Role(
    "edge",
    "Reads everything; writes uplinks, sessions, presence, tokens, tags, jobs, campaigns, files: no station's state.",
    f"{_CONNECTING} {_SCRIPTS} {_SERVER} {_READING} set del unlink persist pexpire expire hset hsetnx hdel hincrby "
    "exists xadd xread xtrim zadd zrem",
    # Of a station's own keys an edge writes two; the others are here because a script reads pages of a sorted set.
    "%R~* ~s:{*}:session ~s:{*}:presence ~s:{*}:txs ~s:{*}:cmds ~uplink:{*} ~downlink:{*} ~deadlines:{*} ~nodes "
    "~tokens ~tokens:used ~security ~t:{*}:* ~p:{*}:* ~site:{*}:doc ~site:{*}:loads ~idx:* ~j:* ~w:* ~x:* "
    "~demand:* ~prices:* ~events ~security:policies ~certificates:revoked ~drift:rules ~templates ~authorization "
    "~models:* ~meta:*",
    appends="~audit",
)
WORKER: Final = Role(
    "worker",
    "Decides and writes everything; arq's jobs, and the expiry of presence keys. `ampstream doctor` runs as this user.",
    f"{_CONNECTING} {_SCRIPTS} {_SERVER} {_READING} "
    "exists hexists smismember xlen zrangebyscore zrevrange "
    "set del unlink persist pexpire expire incrby hset hdel hsetnx hincrby hstrlen lpush ltrim sadd srem "
    "xadd xdel xack xtrim xautoclaim xreadgroup xpending xgroup|create xgroup|delconsumer xinfo|groups xinfo|consumers "
    "zadd zrem zremrangebyscore scan hscan sscan memory|usage "
    # A replica barrier.
    "wait waitaof "
    # arq: transactions of Redis's own kind, locks that expire, and a line in its log.
    "multi exec discard watch unwatch psetex dbsize "
    # The expiry of presence keys.
    "subscribe unsubscribe "
    # The doctor's look at what the server can do.
    "command eval",
    "~*",
    "&__keyevent@*__:expired",
)
EXPORTER: Final = Role(
    "exporter",
    "redis_exporter: figures of the server, no key of Ampstream.",
    "auth ping select client|setname client|setinfo info config|get latency|latest latency|histogram slowlog|len "
    "slowlog|get",
)
HEALTH: Final = Role("health", "The container's health check.", "auth ping")
ADMIN: Final = Role(
    "admin",
    "A person: backups, and what nobody thought of.",
    "@all",
    "~*",
    "&*",
)
ROLES: Final = (EDGE, WORKER, EXPORTER, HEALTH, ADMIN)


def acl() -> str:
    """Return `users.acl`, with a placeholder for each role's password."""
    # Such a file knows no comments; the reasons are above.
    lines = ["user default off resetkeys resetchannels -@all"]
    lines += [" ".join(["user", each.name, "on", f"#{PASSWORD.format(each.name)}", *each.rules()]) for each in ROLES]
    return "\n".join(lines) + "\n"
