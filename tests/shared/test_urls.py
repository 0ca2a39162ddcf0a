"""URLs: what in them is not shown, and which are allowed."""

from __future__ import annotations

import time

import pytest

from shared.records import files_links
from shared.records.files import covered, plain_name
from shared.urls import is_allowed, malformed, redact, redact_all


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("get ftp://user:secret@host/f.bin now", "get ftp://user:***@host/f.bin now"),
        ("https://secret@host/f", "https://***@host/f"),
        ("ftp://user:se@cret@host/f", "ftp://user:***@host/f"),
        ("ftp://user:se/c?ret#x@host/f", "ftp://user:***@host/f"),
        ("ftp://a:b@h/x and ftp://c:d@h/y", "ftp://a:***@h/x and ftp://c:***@h/y"),
        ('{"a":"http://h:9080/x","by":"a@b"}', '{"a":"http://h:9080/x","by":"a@b"}'),
        ("http://h:9080/x@y", "http://h:9080/x@y"),
        ("http://[::1]:80/x@y", "http://[::1]:80/x@y"),
        ("https://se@cret@host/f", "https://***@host/f"),
        ("https://h/f?sig=secret&b=c#x", "https://h/f?sig=***&b=***#x"),
        ("http://h:9080/transfer/abc.d-f_/x-1.0.bin", "http://h:9080/transfer/***/x-1.0.bin"),
        ("/transfer/abc.def", "/transfer/***"),
        ("ftp://h/f", "ftp://h/f"),
        ("a@b, what? yes=no", "a@b, what? yes=no"),
    ],
)
def test_what_lets_somebody_in_is_masked(text: str, shown: str) -> None:
    """Passwords, values of queries and tokens of links; the rest stays readable."""
    assert redact(text) == shown
    assert redact_all({"a": [text, 1, None]}) == {"a": [shown, 1, None]}


@pytest.mark.parametrize("text", ["://" + "a" * 200_000, "a://b:" * 30_000, "://a?b=" * 30_000])
def test_no_text_costs_more_than_its_length(text: str) -> None:
    """A station's error text is masked too: whatever it is, it must not hold up a worker."""
    begun = time.process_time()
    redact(text)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://files.example.org/f", True),
        ("https://FILES.example.org:443/f", True),
        ("ftp://ftp.acme.com/f", True),
        ("ftp://user:pass@ftp.acme.com/f", True),
        ("http://files.example.org/f", False),
        ("https://example.org/f", False),
        ("https://files.example.org:8443/f", False),
        ("https://evil.org/?x=files.example.org", False),
        ("https://files.example.org@evil.org/f", False),
        ("https://evilexample.org/f", False),
        ("https://evil.org\\@files.example.org/", False),
        ("https://files.example.org evil", False),
        ("file:///etc/passwd", False),
        ("nonsense", False),
        ("https://files.example.org:99999/", False),
    ],
)
def test_the_allow_list(url: str, allowed: bool) -> None:
    """Scheme, host and port must fit; a star stands for at least one name before the rest."""
    assert is_allowed(url, "https://*.example.org, ftp://ftp.acme.com") is allowed
    assert not is_allowed(url, "")


def test_patterns_that_name_nothing() -> None:
    """What is no scheme and host is told."""
    assert malformed("https://a, b, ftp://c/d") == ["b", "ftp://c/d"]


def test_tokens() -> None:
    """A token gives back what was signed; with another key, or changed by a letter, it does not."""
    link = files_links.make("get", "01a20949-7b58-7993-9aab-e170be2b067c", "CP1", 1_700_000_000_000, "source")
    token = files_links.sign(b"key", link)
    assert files_links.read(b"key", token) == link
    assert link == files_links.make("get", link.file_id, "CP1", 1_700_000_000_000, "source")
    for other in (b"other", b""):
        with pytest.raises(files_links.BadLink):
            files_links.read(other, token)
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(files_links.BadLink):
            files_links.read(b"key", changed)
    assert len(files_links.url("http://files.example.org", token, "f.bin")) < 200


def test_parts_are_joined() -> None:
    """Parts that touch or overlap become one."""
    got = covered(covered(covered((), 10, 20), 0, 5), 5, 10)
    assert got == ((0, 20),)
    assert covered(((0, 20),), 30, 30) == ((0, 20),)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\\b c.zip", "b_c.zip"),
        ("", "file.bin"),
        ("..", "file.bin"),
        ("ä", "file.bin"),
    ],
)
def test_names_are_no_paths(text: str, name: str) -> None:
    """Whatever a station calls a file."""
    assert plain_name(text) == name
