"""Writes the generated pages of `docs/`, or with `--check` says which are stale.

    python -m tools.generate_docs              all of them
    python -m tools.generate_docs settings     one
    python -m tools.generate_docs --check      exit 1 and name what differs

A page is a function that returns its text, or for a part of a page (`Section`) the lines between two markers:
`<!-- generated: NAME -->` and `<!-- end: NAME -->`.
"""

import argparse
import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Page(NamedTuple):
    """A file made from `module:function`; `section` names the part where it is not the whole file."""

    path: str
    source: str
    section: str = ""


PAGES: dict[str, Page] = {
    "settings": Page("docs/settings.md", "shared.settings.show:markdown"),
    "metrics": Page("docs/metrics.md", "tools.metrics_page:markdown"),
    "api": Page("docs/api.md", "tools.api_page:api"),
    "events": Page("docs/events.md", "tools.api_page:events"),
    "messages": Page("docs/messages.md", "tools.messages_page:markdown"),
    "quirks": Page("docs/quirks.md", "tools.quirks_page:markdown"),
    "readme-messages": Page("README.md", "tools.messages_page:section", "messages"),
    "readme-bench": Page("README.md", "tools.bench_section:section", "bench"),
    "performance-bench": Page("docs/performance.md", "tools.bench_section:performance", "commands and metrics"),
}


def main(arguments: list[str] | None = None) -> int:
    """Generate or check; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate_docs", description="Write the generated docs.")
    parser.add_argument("pages", nargs="*", help=", ".join(PAGES))
    parser.add_argument("--check", action="store_true", help="write nothing, name what is stale")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.pages if name not in PAGES]
    if unknown:
        parser.error(f"no such page: {', '.join(unknown)}; there are {', '.join(PAGES)}")
    stale = [page.path for page in wanted(options.pages) if refresh(page, write=not options.check)]
    for path in stale:
        print(f"{path} is stale: run `make generate`" if options.check else f"wrote {path}")
    return 1 if options.check and stale else 0


def wanted(names: Iterable[str]) -> list[Page]:
    """Return the named pages, or all."""
    return [PAGES[name] for name in names or PAGES]


def refresh(page: Page, *, write: bool) -> bool:
    """Return whether the file differs from its source; `write` mends it."""
    path = ROOT / page.path
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    new = _with_section(old, page, _text(page)) if page.section else _text(page)
    if new == old:
        return False
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(new, encoding="utf-8")
    return True


def _text(page: Page) -> str:
    module, function = page.source.split(":")
    return str(getattr(importlib.import_module(module), function)())


def _with_section(old: str, page: Page, text: str) -> str:
    begin, end = f"<!-- generated: {page.section} -->", f"<!-- end: {page.section} -->"
    if begin not in old or end not in old:
        raise SystemExit(f"{page.path} lacks the markers {begin} and {end}")
    before, rest = old.split(begin, 1)
    after = rest.split(end, 1)[1]
    return f"{before}{begin}\n{text.strip()}\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
