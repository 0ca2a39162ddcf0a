"""The pictures in the docs: one per dashboard, small, explained row by row; and what draws them is pinned."""

import json
import re

from .reading import ROOT, dashboards

PAGE = ROOT / "docs" / "dashboards.md"
FOLDER = ROOT / "docs" / "pictures"
TOOL = ROOT / "tools" / "pictures"
MOST_BYTES = 200_000


def test_every_dashboard_has_its_picture() -> None:
    """Each dashboard is shown on the page, the first also while something is wrong, and no picture is left over."""
    shown = re.findall(r"!\[[^\]]+\]\(pictures/([\w-]+)\.webp\)", PAGE.read_text(encoding="utf-8"))
    boards = {name.removeprefix("ampstream-") for name in dashboards()}
    assert set(shown) == boards | {"fleet-alarm"}
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.webp" for name in shown}


def test_pictures_are_small() -> None:
    """A picture is WebP and at most 200 kB."""
    for path in FOLDER.iterdir():
        content = path.read_bytes()
        assert (content[:4], content[8:12]) == (b"RIFF", b"WEBP"), path.name
        assert len(content) <= MOST_BYTES, path.name


def test_every_row_is_explained() -> None:
    """The page says of each dashboard how its rows are read, in their order."""
    text = PAGE.read_text(encoding="utf-8")
    for board in dashboards().values():
        name = board["title"].removeprefix("Ampstream: ")
        section = text.partition(f"\n## {name}: ")[2].partition("\n## ")[0]
        rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
        bold = [each for each in re.findall(r"\*\*([^*]+)\*\*", section) if each in rows]
        assert bold == rows, name


def test_what_draws_is_pinned() -> None:
    """Every package that draws is named with its exact version, and the lock has a hash of each."""
    wanted = json.loads((TOOL / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    packages = json.loads((TOOL / "package-lock.json").read_text())["packages"]
    assert packages.pop("")["dependencies"] == wanted
    assert not [name for name, package in packages.items() if not package.get("integrity")]
