"""Generated pages are fresh, and the generator knows when they are not."""

from pathlib import Path

import pytest

from tools import generate_docs
from tools.generate_docs import Page


def test_every_page_is_fresh() -> None:
    """What is committed equals what the code yields."""
    assert generate_docs.main(["--check"]) == 0


def test_a_stale_page_is_found_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--check` names a stale page and writes nothing; without it the page is written."""
    monkeypatch.setattr(generate_docs, "ROOT", tmp_path)
    monkeypatch.setattr(generate_docs, "PAGES", {"settings": Page("docs/settings.md", "shared.settings.show:markdown")})
    assert generate_docs.main(["--check"]) == 1
    assert not (tmp_path / "docs").exists()
    assert generate_docs.main([]) == 0
    assert generate_docs.main(["--check"]) == 0


def test_a_section_leaves_the_rest_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generated part of a page is replaced between its markers only."""
    monkeypatch.setattr(generate_docs, "ROOT", tmp_path)
    page = Page("README.md", "tools.metrics_page:markdown", "metrics")
    (tmp_path / "README.md").write_text("before\n<!-- generated: metrics -->\nold\n<!-- end: metrics -->\nafter\n")
    assert generate_docs.refresh(page, write=True)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n<!-- generated: metrics -->\n# Metrics")
    assert text.endswith("<!-- end: metrics -->\nafter\n")
    assert not generate_docs.refresh(page, write=True)


def test_missing_markers_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page without its markers is an error that names them."""
    monkeypatch.setattr(generate_docs, "ROOT", tmp_path)
    (tmp_path / "README.md").write_text("no markers\n")
    with pytest.raises(SystemExit, match="lacks the markers"):
        generate_docs.refresh(Page("README.md", "tools.metrics_page:markdown", "metrics"), write=True)
