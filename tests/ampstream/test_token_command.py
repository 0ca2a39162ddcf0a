"""`ampstream token`: the way into the API of a system that `ampstream up` did not start."""

import json
from pathlib import Path

import redis
from click.testing import CliRunner

from ampstream.cli import main
from shared.bus import keys
from tests.support import running_valkey


def test_the_first_token_is_made_once(tmp_path: Path) -> None:
    """The token is written with mode 0600, a second call leaves it as it is, and the audit log says who made it."""
    path = tmp_path / "operator.token"
    with running_valkey(tmp_path / "valkey") as server:
        texts = []
        for _ in range(2):
            result = CliRunner().invoke(main, ["token", "--file", str(path)], env={"AMPSTREAM_REDIS_URL": server.url})
            assert result.exit_code == 0, result.output
            texts.append(path.read_text().strip())
            assert texts[-1] not in result.output
        with redis.Redis.from_url(server.url) as client:
            (entry,) = [json.loads(fields[b"e"]) for _, fields in client.xrange(keys.AUDIT)]
    assert (entry["action"], entry["who"]["kind"], entry["details"]["scope"]) == ("create_token", "local", "admin")
    assert texts[0] == texts[1]
    assert texts[0].startswith("amp_")
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    """Without Redis, or where the file can't be written, the command says so and ends with 1."""
    absent = {"AMPSTREAM_REDIS_URL": "redis://127.0.0.1:1/0"}
    result = CliRunner().invoke(main, ["token", "--file", str(tmp_path / "token")], env=absent)
    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.output
    (tmp_path / "file").touch()
    with running_valkey(tmp_path / "valkey") as server:
        path = tmp_path / "file" / "token"
        result = CliRunner().invoke(main, ["token", "--file", str(path)], env={"AMPSTREAM_REDIS_URL": server.url})
    assert result.exit_code == 1
    assert "cannot write" in result.output
