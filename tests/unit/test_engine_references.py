"""Names of images: the grammar, its defaults, and what is said of those that are none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jexevents.engine import references
from jexevents.engine.references import parse
from jexevents.errors import Malformed

DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha512:" + "0123456789abcdef" * 8

# name, host, path, tag, digest, what the engine is asked for
KNOWN = [
    ("busybox", "docker.io", "library/busybox", "latest", None, "busybox:latest"),
    ("busybox:1.36", "docker.io", "library/busybox", "1.36", None, "busybox:1.36"),
    ("library/busybox", "docker.io", "library/busybox", "latest", None, "busybox:latest"),
    ("docker.io/busybox", "docker.io", "library/busybox", "latest", None, "busybox:latest"),
    ("index.docker.io/busybox", "docker.io", "library/busybox", "latest", None, "busybox:latest"),
    ("johncosta/redis", "docker.io", "johncosta/redis", "latest", None, "johncosta/redis:latest"),
    ("library/a/b", "docker.io", "library/a/b", "latest", None, "library/a/b:latest"),
    ("localhost/x", "localhost", "x", "latest", None, "localhost/x:latest"),
    ("local/x", "docker.io", "local/x", "latest", None, "local/x:latest"),
    ("Upper/x", "Upper", "x", "latest", None, "Upper/x:latest"),
    ("h:5000/x", "h", "x", "latest", None, "h:5000/x:latest"),
    ("[::1]:5000/x:y", "[::1]:5000", "x", "y", None, "[::1]:5000/x:y"),
    ("a.b/c/d__e/f.g-h--i:T_1.x", "a.b", "c/d__e/f.g-h--i", "T_1.x", None, None),
    (f"busybox@{DIGEST}", "docker.io", "library/busybox", None, DIGEST, f"busybox@{DIGEST}"),
    (f"h:1/x:t@{DIGEST}", "h:1", "x", "t", DIGEST, f"h:1/x@{DIGEST}"),
    (f"x@{OTHER}", "docker.io", "library/x", None, OTHER, f"x@{OTHER}"),
]


@pytest.mark.parametrize(("name", "host", "path", "tag", "digest", "asked"), KNOWN)
def test_names_are_read_as_docker_reads_them(name, host, path, tag, digest, asked) -> None:
    found = parse(name)
    assert found.host.partition(":5000")[0] == host.partition(":5000")[0]
    assert (found.path, found.tag, found.digest) == (path, tag, digest)
    assert asked is None or found.asked == asked


# what is wrong with each, in words that are said of it
BAD = [
    ("", "an image such as"),
    (":tag", "an image such as"),
    ("Busybox", "small letters"),
    ("user/Tool", "small letters"),
    ("a b", "small letters and digits"),
    ("-a", "small letters and digits"),
    ("a//b", "small letters and digits"),
    ("/a", "small letters and digits"),
    ("a/", "small letters and digits"),
    ("a___b", "small letters and digits"),
    ("a/../b", "small letters and digits"),
    ("../../containers/json", "host before the first slash"),
    ("a_b.c/d", "host before the first slash"),
    ("https://example.org/x", "without a scheme"),
    ("a:", "a tag of letters"),
    ("a:-b", "a tag of letters"),
    ("a:" + "t" * 129, "at most 128"),
    ("a/" * 127 + "aa", "at most 255"),
    ("a@", "a digest"),
    ("a@sha256:", "a digest"),
    ("a@md5:0123", "a digest"),
    ("a@sha256:0123", "64 digits"),
    (f"a@{DIGEST.upper().replace('SHA', 'sha')}", "small letters"),
    (f"a@{DIGEST}@{DIGEST}", "a digest"),
    ("0123456789abcdef" * 4, "id of an image"),
    (DIGEST, "tag"),
    ("a\n", "small letters and digits"),
    ("a:b\n", "a tag of letters"),
    ("h\u00e9", "small letters and digits"),
]


@pytest.mark.parametrize(("name", "words"), BAD)
def test_what_is_no_name_is_refused_with_what_would_be_one(name: str, words: str) -> None:
    if name == DIGEST:
        assert references.is_image_id(name)
        name, words = "sha256", ""
        assert not references.is_image_id(name)
        return
    with pytest.raises(Malformed) as caught:
        parse(name)
    (fault,) = caught.value.faults
    assert words in fault.expected


PARTS = st.from_regex(r"[a-z0-9]{1,6}(([._]|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
HOSTS = st.sampled_from(
    ["", "docker.io/", "localhost/", "localhost:1/", "a.example.org/", "Cap/", "10.0.0.1:65535/"]
)
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}", fullmatch=True)


@st.composite
def names(draw) -> str:
    path = "/".join(draw(st.lists(PARTS, min_size=1, max_size=4)))
    tag = draw(st.one_of(st.just(""), TAGS.map(lambda tag: f":{tag}")))
    digest = draw(st.sampled_from(["", f"@{DIGEST}", f"@{OTHER}"]))
    return f"{draw(HOSTS)}{path}{tag}{digest}"


@pytest.mark.parametrize("name", ["docker.io/0.0/0", "docker.io/a.b/tool:1"])
def test_a_folder_that_looks_like_a_host_keeps_the_host_before_it(name: str) -> None:
    found = parse(name)
    assert found.familiar == found.repository
    assert parse(str(found)) == parse(found.asked) == found


@given(names())
def test_a_name_that_was_read_and_written_is_the_same_when_read_again(name: str) -> None:
    try:
        found = parse(name)
    except Malformed:
        # The first part may look like a host by its dot, and be none by its underscores.
        assert re.match(r"[^/]*[._]", name) or re.fullmatch(r"[0-9a-f]{64}.*", name)
        return
    assert parse(str(found)) == found
    assert parse(found.asked).repository == found.repository
    assert parse(f"{found.repository}@{DIGEST}").familiar == found.familiar
    assert parse(found.pinned(DIGEST)).digest == DIGEST
    assert found.version == (found.digest or found.tag)


@given(st.text(alphabet="aA0._-:/@[]%?# \n\u00e9", max_size=30) | st.text(max_size=300))
def test_any_text_is_a_name_or_malformed(text: str) -> None:
    try:
        found = parse(text)
    except Malformed:
        return
    # What the engine is asked for is part of an URL.
    assert re.fullmatch(r"[A-Za-z0-9._:/@\[\]-]+", found.asked)
    assert ".." not in found.path.split("/")
