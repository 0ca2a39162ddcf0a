"""What people read is true: links lead somewhere, commands exist, generated parts are fresh, flags are explained."""

import ast
import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from ampstream.cli import main
from shared.ocpp.quirks import QUIRK_NAMES
from shared.settings import Settings
from tools import generate_docs
from workers.services import flags

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PACKAGES = ("ampstream", "edge", "shared", "workers")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
COMMAND = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?ampstream(?: (.*))?$")
TARGET = re.compile(r"^(?:\$ )?make ([a-z]+)\b")
SOURCE = re.compile(r"^[\w.-]+(?:/[\w.-]+)+/?$")
ROOTS = {path.name for path in ROOT.iterdir()}
MADE = {"docs/bench.json"}
"""What somebody makes, and need not be there."""


def named(path: Path) -> str:
    """Return how a page is called."""
    return path.relative_to(ROOT).as_posix()


@cache
def code(page: Path) -> tuple[str, ...]:
    """Every line of fenced code and every inline code of a page."""
    text = page.read_text(encoding="utf-8")
    fenced = [line for block in FENCE.findall(text) for line in block.splitlines()]
    return (*fenced, *INLINE.findall(FENCE.sub("", text)))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page leads to a file or directory, and its anchor to a heading."""
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_that_are_named_exist(page: Path) -> None:
    """A path of this repository in a page's code is there."""
    paths = {text for text in code(page) if SOURCE.match(text) and text.split("/")[0] in ROOTS - {"data"}} - MADE
    assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_that_are_named_exist(page: Path) -> None:
    """Every `ampstream` command in a page's code is one, with the options and as many arguments as it is given."""
    wrong = [f"{line}: {problem}" for line in code(page) if (problem := misuse(line))]
    assert not wrong


def misuse(line: str) -> str:
    """Say what is wrong with a line that calls `ampstream`; empty where nothing is, or it calls something else."""
    match = COMMAND.match(line.split("  #")[0].rstrip())
    if match is None:
        return ""
    words = shlex.split(match[1] or "")
    words = words[: next((n for n, word in enumerate(words) if word in ("|", ">", "...")), len(words))]
    command: click.Command = main
    context = click.Context(main)
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        alternatives = words[0].split("|")
        found = [command.get_command(context, name) for name in alternatives]
        if None in found:
            words = taken(command, context, words)  # A group may have a command that is not named: `probe CP1`.
            found = [command.get_command(context, words[0])] if words else [None]
        if None in found:
            return f"no command {alternatives[0]}"
        command, words = found[0] or command, words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in known | {"--help", "-h"}]
    return f"no option {', '.join(unknown)}" if unknown else ""


def taken(group: click.Group, context: click.Context, words: list[str]) -> list[str]:
    """Return the words with the command that a group takes them for; none where it refuses."""
    try:
        name, _, rest = group.resolve_command(context, words)
    except click.UsageError:
        return []
    return [name or "", *rest]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_make_targets_that_are_named_exist(page: Path) -> None:
    """Every `make` target in a page's code is in the Makefile."""
    targets = {match[1] for line in code(page) if (match := TARGET.match(line))}
    makefile = (ROOT / "Makefile").read_text()
    assert not [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)]


def test_generated_pages_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    """Every generated page and section equals its source."""
    assert generate_docs.main(["--check"]) == 0, capsys.readouterr().out


def test_every_decision_is_listed() -> None:
    """The list of decisions names every page of docs/adr, and each page follows on the one before."""
    folder = ROOT / "docs" / "adr"
    pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
    listed = LINK.findall((folder / "README.md").read_text(encoding="utf-8"))
    assert [name for name in listed if name[0].isdigit()] == pages
    assert [int(name[:4]) for name in pages] == list(range(1, len(pages) + 1))


def test_the_picture_is_readable_everywhere() -> None:
    """The picture is well-formed, tells what it shows in words, and brings its own background."""
    tree = ET.parse(ROOT / "docs" / "architecture.svg")  # our own file
    space = "{http://www.w3.org/2000/svg}"
    assert all((tree.find(f"{space}{name}") is not None) for name in ("title", "desc"))
    background = tree.find(f"{space}rect")
    assert background is not None
    assert float(background.get("width", 0)) > 0.99 * float(tree.getroot().get("width", 0))


def shipped() -> Iterator[tuple[str, ast.Module]]:
    """The syntax trees of what ships."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_every_flag_is_explained() -> None:
    """Every flag that code sets by name stands in a table of meanings, from which docs/quirks.md is made."""
    explained = QUIRK_NAMES | set(flags.MEANINGS) | set(flags.OF_STATIONS)
    unexplained = [
        f"{name}:{node.lineno} {node.args[0].value!r}"
        for name, tree in shipped()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "flag"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value not in explained
    ]
    assert not unexplained


def test_every_setting_is_obeyed() -> None:
    """Every setting is read somewhere outside of `shared.settings`."""
    read: set[str] = set()
    for name, tree in shipped():
        if not name.startswith("shared/settings/"):
            read |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not set(Settings.__struct_fields__) - read
