"""Which rewrites are told that they can make a path without its first slash: held against what RE2 makes of paths."""

import pytest
import re2

from mirrorplane.translators.patterns import may_lose_slash

LOSES = [
    ("^/old/(.*)$", r"\1", "/old/x"),
    ("/old", "new", "/old"),
    ("(/old)(.*)", r"new\2", "/old/x"),
    (".*", "x", "/a"),
    (r"^\/a", "b", "/a"),
    ("(?:/a|/b)/(.+)", r"\1", "/a/x"),
    ("(?P<whole>/a)/(b)", r"\2", "/a/b"),
    (r"/[(]a\((b)", r"\1", "/(a(b"),
]
KEEPS = [
    ("^/old/(.*)$", r"/\1", "/old/x"),
    ("^/old(/.*)$", r"\1", "/old/x"),
    ("old", "new", "/old"),
    ("/a", r"\0b", "/a"),
    ("(?:/a)(/b)", r"\1", "/a/b"),
    (r"/[(]a\((/b)", r"\1", "/(a(/b"),
    ("[0-9]+", "n", "/1"),
    ("(.+)x", r"\1", "/ax"),
]


@pytest.mark.parametrize(("pattern", "substitution", "path"), LOSES)
def test_a_rewrite_that_loses_the_first_slash_is_told(pattern: str, substitution: str, path: str):
    assert not re2.sub(pattern, substitution, path).startswith("/"), "the example is one"
    assert may_lose_slash(pattern, substitution)


@pytest.mark.parametrize(("pattern", "substitution", "path"), KEEPS)
def test_a_rewrite_that_keeps_it_is_not(pattern: str, substitution: str, path: str):
    remaining = path if substitution.startswith(r"\0") else re2.sub(pattern, substitution, path)
    assert remaining.startswith("/"), "the example is none"
    assert not may_lose_slash(pattern, substitution)
