"""Id tags, one by one and many from CSV."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.bus import keys
from tests.edge.operators.stage import Stage

CSV = {"Content-Type": "text/csv"}


async def test_a_tag_lives_and_goes(stage: Stage) -> None:
    """Created, shown in any case, replaced, changed, deleted."""
    status, made = await stage.ask(
        "POST", "/tags", json={"id_tag": "AbC", "parent": "fleet", "expires_at": "2030-01-01T00:00:00+01:00"}
    )
    assert (status, made["status"], made["expires_at"]) == (201, "accepted", "2029-12-31T23:00:00.000Z")
    assert (await stage.ask("POST", "/tags", json={"id_tag": "ABC"}))[0] == 409
    assert (await stage.get("/tags/aBc"))["id_tag"] == "AbC"
    assert (await stage.ask("PUT", "/tags/abc", json={"status": "blocked"}))[0] == 200
    assert (await stage.get("/tags/ABC"))["parent"] is None
    assert (await stage.ask("PUT", "/tags/new", json={}))[0] == 201
    status, changed = await stage.ask("PATCH", "/tags/abc", json={"concurrent_limit": 2})
    assert (status, changed["status"], changed["concurrent_limit"]) == (200, "blocked", 2)
    assert (await stage.ask("DELETE", "/tags/ABC"))[0] == 204
    assert (await stage.ask("DELETE", "/tags/ABC"))[0] == 404
    assert (await stage.ask("PATCH", "/tags/ABC", json={"note": "x"}))[0] == 404
    assert [one["id_tag"] for one in await stage.all_of("/tags")] == ["new"]


async def test_a_problem_never_repeats_a_tag(stage: Stage) -> None:
    """Id tags stay out of error bodies."""
    for method in ("GET", "DELETE"):
        _, body = await stage.ask(method, "/tags/SECRETTAG")
        assert "SECRETTAG" not in str(body)
    await stage.ask("POST", "/tags", json={"id_tag": "SECRETTAG"})
    _, body = await stage.ask("POST", "/tags", json={"id_tag": "SECRETTAG"})
    assert "SECRETTAG" not in str(body)


async def test_neither_log_nor_metrics_hold_a_tag(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Paths and queries name id tags; what the process tells of itself does not."""
    await stage.ask("POST", "/tags", json={"id_tag": "SECRETTAG"})
    await stage.ask("PATCH", "/tags/SECRETTAG", json={"note": "x"})
    await stage.ask("GET", "/transactions?id_tag=SECRETTAG")
    await stage.ask("GET", "/tags/SECRETTAG/none")
    async with stage.http.get(f"{stage.url}/metrics") as response:
        assert "SECRETTAG" not in await response.text()
    told = "".join(capsys.readouterr())
    assert "/api/v1/tags/{id_tag}" in told
    assert "SECRETTAG" not in told


async def test_a_tag_may_hold_what_a_path_may_not(stage: Stage) -> None:
    """Slashes, spaces and braces survive."""
    tag = "a/b {c}%20"
    assert (await stage.ask("POST", "/tags", json={"id_tag": tag}))[0] == 201
    status, found = await stage.ask("GET", "/tags/a%2Fb%20%7Bc%7D%2520")
    assert (status, found.get("id_tag")) == (200, tag), found


async def test_tags_are_listed_in_order_and_filtered(stage: Stage) -> None:
    """By prefix, status and group, page by page; how many transactions each holds stands beside."""
    for n in range(12):
        body = {
            "id_tag": f"T{n:02}",
            "parent": "Vans" if n % 2 else "",
            "status": "blocked" if n % 3 == 0 else "accepted",
        }
        await stage.ask("POST", "/tags", json=body)
    await stage.write(("HSET", keys.holders("t05"), "CP1/k", 1))

    async def found(**wanted: Any) -> list[int]:
        return [int(one["id_tag"][1:]) for one in await stage.all_of("/tags", limit=2, **wanted)]

    assert await found() == list(range(12))
    assert await found(q="t1") == [10, 11]
    assert await found(status="blocked") == [0, 3, 6, 9]
    assert await found(parent="vans", status="accepted") == [1, 5, 7, 11]
    assert (await stage.get("/tags/T05"))["holds"] == 1


async def test_changes_at_the_same_time_lose_nothing(stage: Stage) -> None:
    """Two PATCHes of different fields both count, whatever their order."""
    await stage.ask("POST", "/tags", json={"id_tag": "A"})
    fields = [{"note": "n"}, {"concurrent_limit": 3}, {"parent": "p"}, {"status": "blocked"}] * 3
    await asyncio.gather(*(stage.ask("PATCH", "/tags/A", json=field) for field in fields))
    found = await stage.get("/tags/A")
    assert (found["note"], found["concurrent_limit"], found["parent"], found["status"]) == ("n", 3, "p", "blocked")


async def test_an_import_names_each_bad_line_and_writes_the_others(stage: Stage) -> None:
    """Line numbers are those of the file, quoted line breaks and empty lines counted."""
    text = (
        "\ufeffid_tag,status,expires_at,concurrent_limit,note\r\n"
        "GOOD1,accepted,2030-01-01T00:00:00Z,2,\r\n"
        "BAD1,acepted,,,\r\n"
        "\r\n"
        'GOOD2,,,,"two\nlines, ""quoted"""\r\n'
        "BAD2,,tomorrow,,\r\n"
        "BAD3,,,many,\r\n"
        ",,,,\r\n"
        "BAD4,,\r\n"
        "GOOD1,blocked,,,last"
    )
    status, report = await stage.ask("POST", "/tags/import", data=text.encode(), headers=CSV)
    assert status == 200
    assert (report["rows"], report["created"], report["replaced"], report["failed"]) == (8, 2, 1, 5)
    assert [(error["line"], error["field"]) for error in report["errors"]] == [
        (3, "status"), (7, "expires_at"), (8, "concurrent_limit"), (9, "id_tag"), (10, ""),
    ]  # fmt: skip
    assert "BAD" not in str(report)
    assert (await stage.get("/tags/good2"))["note"] == 'two\nlines, "quoted"'
    assert (await stage.get("/tags/good1"))["status"] == "blocked"


async def test_a_dry_run_writes_nothing(stage: Stage) -> None:
    """A file can be checked first."""
    status, report = await stage.ask("POST", "/tags/import?dry_run=true", data=b"id_tag\nA\n", headers=CSV)
    assert (status, report["rows"], report["created"]) == (200, 1, 0)
    assert await stage.all_of("/tags") == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "is empty"),
        (b"04A1B2C3\n", "column 1 of the first line has an unknown name"),
        (b"status\naccepted\n", "must name the column id_tag"),
        (b"id_tag,id_tag\nA,B\n", "none twice"),
        (b'id_tag\n"A\nB\n', "line 2: a quote is not closed"),
        (b"id_tag\n\xff\n", "not UTF-8"),
        (b"id_tag\n" + b"A" * 70_000 + b"\n", "longer than"),
    ],
)
async def test_a_file_that_is_no_csv_of_tags_says_so(stage: Stage, text: bytes, says: str) -> None:
    """What can't be read at all is one clear problem."""
    status, body = await stage.ask("POST", "/tags/import", data=text, headers=CSV)
    assert status == 422
    assert says in body["detail"]


async def test_an_import_must_be_csv(stage: Stage) -> None:
    """JSON is no CSV."""
    assert (await stage.ask("POST", "/tags/import", json={}))[0] == 415


async def test_a_large_import_streams(stage: Stage) -> None:
    """Twenty thousand tags in odd chunks arrive whole."""

    async def body() -> AsyncIterator[bytes]:
        text = b"id_tag,parent\n" + b"".join(b"TAG%05d,fleet\n" % n for n in range(20_000))
        for begin in range(0, len(text), 7919):
            yield text[begin : begin + 7919]

    status, report = await stage.ask("POST", "/tags/import", data=body(), headers=CSV)
    assert (status, report["created"], report["failed"]) == (200, 20_000, 0)
    assert await stage.lane.one("ZCARD", keys.TAGS) == 20_000
