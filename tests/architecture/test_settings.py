"""Settings that are declared are obeyed."""

import re
from pathlib import Path

from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def test_every_setting_is_obeyed() -> None:
    """Each field is read somewhere outside its declaration: a setting that nothing looks at is a lie."""
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("ampstream", "edge", "shared", "workers")
        for path in (ROOT / package).rglob("*.py")
        if path != ROOT / "shared" / "settings" / "model.py"
    )
    unread = [
        field for field in Settings.__struct_fields__ if not re.search(rf"settings(\(ctx\)|\"\])?\.{field}\b", sources)
    ]
    assert not unread
