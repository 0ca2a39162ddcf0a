"""Quirk profiles: data files, checked strictly, and no vendor in code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.quirk_profiles import NO_RULE, RULES, Profile, ProfileError, load, problem

ROOT = Path(__file__).resolve().parents[2]
CODE = ("ampstream", "edge", "shared", "workers")


def names(pattern: str) -> set[str]:
    """Return the words of a vendor's pattern."""
    plain = re.sub(r"\\(.)", r"\1", pattern.replace(" ?", ""))
    return {word for word in re.split(r"[^A-Za-z+]+", plain) if len(word) > 2}


def test_no_vendor_is_named_in_code() -> None:
    """What the data files call vendors stands in no module: a quirk needs no change of code."""
    vendors = {word for profile in load() for word in names(profile.vendor)}
    assert vendors >= {"ABB", "KEBA"}
    shapes = [re.compile(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])", re.IGNORECASE) for word in vendors]
    wrong = [
        f"{path.relative_to(ROOT)}: {shape.pattern}"
        for package in CODE
        for path in sorted((ROOT / package).rglob("*.py"))
        for shape in shapes
        if shape.search(path.read_text(encoding="utf-8"))
    ]
    assert not wrong


def test_the_shipped_profiles_say_why() -> None:
    """Every profile that is shipped names a vendor, has rules, and says what they are for."""
    for profile in load():
        assert profile.vendor != ".*"
        assert profile.rules
        assert profile.why


def test_an_operators_directory_comes_last(tmp_path: Path) -> None:
    """Its files are read by name, after those that are shipped; other files are passed over."""
    (tmp_path / "b.toml").write_text('[[profile]]\nmodel = "X"\nrules = { ping = "off" }\n')
    (tmp_path / "a.toml").write_text('[[profile]]\nmodel = "X"\nrules = { boot_hold = "7" }\n')
    (tmp_path / "notes.txt").write_text("no profile")
    shipped = load()
    assert load(str(tmp_path)) == (
        *shipped,
        Profile(model="X", rules={"boot_hold": "7"}),
        Profile(model="X", rules={"ping": "off"}),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[profile]\n", r"x\.toml: .*line 1"),
        (
            '\n\n[[profile]]\nvendor = "A"\nrules = { nonsense = "x" }\n',
            r"x\.toml:3: rules: there is no rule 'nons",
        ),
        ('[[profile]]\nrules = { ping = "on" }\n', r"x\.toml:1: rules: ping is not 'on'; it may be: off, none"),
        ('[[profile]]\nrules = { boot_hold = "9999" }\n', r"boot_hold is not '9999'; it may be: 0 to 3600 s, none"),
        ('[[profile]]\nrules = { boot_hold = "nan" }\n', r"boot_hold is not 'nan'"),
        ("[[profile]]\nrules = { boot_hold = 60 }\n", r"x\.toml:1: rules.*in quotes"),
        ('[[profile]]\nvendor = "A"\n', r"x\.toml:1: rules: is missing"),
        ("[[profile]]\nrules = {}\n", r"x\.toml:1: rules: it has none"),
        ('[[profile]]\nvendor = "("\nrules = { ping = "off" }\n', r"x\.toml:1: vendor: is no regular expression"),
        ('[[profile]]\nmaker = "A"\nrules = { ping = "off" }\n', r"x\.toml:1: maker: is no field here"),
        ('[profile]\nrules = { ping = "off" }\n', r"x\.toml: profile: write \[\[profile\]\]"),
        ('[[profiles]]\nrules = { ping = "off" }\n', r"x\.toml: profiles: a file holds \[\[profile\]\] tables alone"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, told: str) -> None:
    """File, line, field and what it may be."""
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ProfileError) as error:
        load(str(tmp_path))
    assert re.search(told, str(error.value)), str(error.value)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """Two wrong files and no directory are three lines, not three starts."""
    (tmp_path / "a.toml").write_text('[[profile]]\nrules = { ping = "on" }\n')
    (tmp_path / "b.toml").write_text('[[profile]]\nrules = { x = "on", ping = "on" }\n')
    with pytest.raises(ProfileError) as error:
        load(str(tmp_path))
    assert len(error.value.problems) == 3
    with pytest.raises(ProfileError, match="is no directory"):
        load(str(tmp_path / "missing"))


@pytest.mark.parametrize("name", RULES)
def test_a_rule_can_be_taken_away(name: str) -> None:
    """`none` is a value of every rule, and any other is explained."""
    assert problem(name, NO_RULE) == ""
    assert RULES[name].expectation in problem(name, "nonsense")
