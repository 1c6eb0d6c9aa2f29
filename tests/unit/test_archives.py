"""Archives as they are uploaded: sound ones are read, and nothing else gets through."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jexevents.archives.listing import Archive, Limits
from jexevents.archives.reading import Form, check_listed, form_of, read
from jexevents.errors import Invalid
from tests.archives import (
    TECH_SUPPORT,
    bundle,
    manifest,
    member,
    repaired,
    tar,
    tgz,
    zipped,
    zipped_infos,
)

NAME = "manifest.json"
LIMITS = Limits(max_unpacked_bytes=1 << 20, max_members=50, max_manifest_bytes=4096,
                max_name_bytes=200, max_names_bytes=2000)  # fmt: skip
MB = 1 << 20


def look(
    data: bytes, form: Form = Form.TAR_GZ, limits: Limits = LIMITS, name: str = NAME
) -> Archive:
    return read(io.BytesIO(data), form, name, limits)


def look_zip(data: bytes, limits: Limits = LIMITS) -> Archive:
    return look(data, Form.ZIP, limits)


def refused(data: bytes, *words: str, form: Form = Form.TAR_GZ, limits: Limits = LIMITS) -> None:
    """Assert that it is refused, by a fault that has all these words."""
    with pytest.raises(Invalid) as caught:
        look(data, form, limits)
    told = str(caught.value)
    assert all(word in told for word in words), told
    assert caught.value.faults


OWN = member(NAME, b"{}")


# --- sound ones


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_as_each_writer_writes_it(form: int) -> None:
    long, unicode = "d/" * 60 + "x" * 70, "ü/日本.txt"
    made = tgz(member("d", kind=tarfile.DIRTYPE), OWN, member(long, b"1" * 513),
               member(unicode, b"2"), member("empty"), form=form)  # fmt: skip
    found = look(made)
    assert found == Archive(b"{}", frozenset({NAME, long, unicode, "empty"}))
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        assert {one.name for one in archive if one.isfile()} == found.files


def test_names_with_dots_in_front() -> None:
    found = look(tgz(member("./", kind=tarfile.DIRTYPE), member(f"./{NAME}", b"1"),
                     member("././a//b", b"2")))  # fmt: skip
    assert found == Archive(b"1", frozenset({NAME, "a/b"}))


def test_gzip_members_behind_each_other_and_zeros_at_the_end() -> None:
    plain = tar(OWN, member("a", b"x" * 3000))
    pieces = [gzip.compress(plain[at : at + 700]) for at in range(0, len(plain), 700)]
    assert look(b"".join(pieces) + bytes(1000)).files == {NAME, "a"}


def test_tar_without_its_end_mark() -> None:
    """The gzip around it says that it is whole."""
    assert look(gzip.compress(tar(OWN)[: 512 * 2])).manifest == b"{}"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip(method: int) -> None:
    files = {NAME: b"{}", "d/": b"", "d/a.txt": b"a" * 100_000, "ü/日本": b"2", "empty": b""}
    found = look_zip(zipped(files, method))
    assert found == Archive(b"{}", frozenset(files) - {"d/"})


class Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def tell(self, *_a):
        raise OSError

    seek = tell


def test_zip_written_as_it_came_and_with_a_comment() -> None:
    """Such a writer says sizes behind each entry; in zip64's form for those of unknown size."""
    buffer = Unseekable()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(NAME, "w") as entry:
            entry.write(b"{}")
        with archive.open("large", "w", force_zip64=True) as entry:
            entry.write(b"1" * 1000)
        archive.comment = b"made by a test"
    assert look_zip(buffer.getvalue()) == Archive(b"{}", frozenset({NAME, "large"}))


def test_listed() -> None:
    archive = Archive(b"", frozenset({NAME, "a", "d/b"}))
    check_listed(["a", "d/b"], archive, NAME)
    check_listed([NAME, "./a", "d//b"], archive, NAME)
    for listed, word in ((["a"], "d/b"), (["a", "d/b", "c"], "c"), (["a", "a", "d/b"], "once"),
                         (["../a", "d/b"], ".."), (["", "a", "d/b"], "once")):  # fmt: skip
        with pytest.raises(Invalid, match=word):
            check_listed(listed, archive, NAME)


def test_form() -> None:
    both = (Form.TAR_GZ, Form.ZIP)
    assert form_of("A.TGZ", both) == form_of("a.tar.gz", both) == Form.TAR_GZ
    assert form_of("a.zip", both) is Form.ZIP
    for name in ("", "a.zip", "a.tgz.exe", "tgz"):
        with pytest.raises(Invalid, match=r"\.tgz or \.tar\.gz"):
            form_of(name, (Form.TAR_GZ,))


# --- names

BAD_NAMES = {
    "../up": "..",
    "a/../../up": "..",
    "a/..": "..",
    "/etc/passwd": "absolute",
    "//etc": "absolute",
    "C:/windows": "absolute",
    "c:evil": "absolute",
    "a\\b": "backslash",
    "..\\up": "backslash",
    "a\nb": "control",
    "a\rb": "control",
    "a\x1bb": "control",
    "a\x7fb": "control",
    "a\u2028b": "control",
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_in_tar(name: str) -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        for kind in (tarfile.REGTYPE, tarfile.DIRTYPE):
            refused(tgz(OWN, member(name, kind=kind), form=form), BAD_NAMES[name])


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_in_zip(name: str) -> None:
    if "\\" not in name:  # Python's writer makes a slash of it on Windows only
        refused(zipped({NAME: b"{}", name: b""}), BAD_NAMES[name], form=Form.ZIP)
    else:
        refused(zipped({NAME: b"{}", name.replace("\\", "?"): b""}).replace(b"?", b"\\"),
                BAD_NAMES[name], form=Form.ZIP)  # fmt: skip


def test_nul_in_names() -> None:
    made = zipped({NAME: b"{}", "aXb": b""}).replace(b"aXb", b"a\0b")
    refused(made, "control", form=Form.ZIP)
    pax = b"".join(b"%d path=a\0b\n" % 14 for _ in range(1))
    assert len(pax) == 12
    header = tar(member("x", b"12 path=a\0b\n", b"x"))[:1024]
    refused(gzip.compress(header + tar(member("a"), OWN)), "control")


def test_names_that_are_not_utf_8() -> None:
    refused(gzip.compress(tar(OWN, member("aXb")).replace(b"aXb", b"a\xffb")), "tar")
    info, _ = member("x")
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[0] = 0xFF
    refused(gzip.compress(repaired(bytes(header)) + tar(OWN)), "UTF-8", "xff")


def test_bounds_of_names() -> None:
    refused(tgz(OWN, member("x" * 201)), "at most 200 bytes")
    refused(tgz(OWN, member("x" * 201), form=tarfile.GNU_FORMAT), "at most")
    refused(zipped({NAME: b"{}", "x" * 201: b""}), "at most 200 bytes", form=Form.ZIP)
    many = {f"{n:0190}": b"" for n in range(20)}
    refused(zipped({NAME: b"{}", **many}), "in all", form=Form.ZIP)
    refused(tgz(OWN, *map(member, many)), "in all")


# --- members

KINDS = {
    tarfile.SYMTYPE: "symbolic link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.FIFOTYPE: "FIFO",
    tarfile.GNUTYPE_SPARSE: "sparse",
    b"V": "unknown type",
}


@pytest.mark.parametrize("kind", KINDS)
def test_links_and_devices_in_tar(kind: bytes) -> None:
    refused(tgz(OWN, member("evil", kind=kind, linkname="/etc/passwd")), "evil", KINDS[kind])
    refused(tgz(member(NAME, kind=kind, linkname="a")), NAME, KINDS[kind])


def test_long_link_target() -> None:
    refused(tgz(OWN, member("evil", kind=tarfile.SYMTYPE, linkname="x" * 150),
                form=tarfile.GNU_FORMAT), "link")  # fmt: skip


def test_sparse_in_pax_form() -> None:
    refused(tgz(OWN, member("evil", pax_headers={"GNU.sparse.major": "1"})), "sparse")


@pytest.mark.parametrize(
    ("mode", "word"), [(0o120777, "symbolic link"), (0o20644, "device"), (0o40755, "ends in /")]
)
def test_links_and_devices_in_zip(mode: int, word: str) -> None:
    info = zipfile.ZipInfo("evil")
    info.external_attr = mode << 16
    refused(zipped_infos((zipfile.ZipInfo(NAME), b"{}"), (info, b"/etc")), "evil", word,
            form=Form.ZIP)  # fmt: skip


def test_too_many_members() -> None:
    many = [f"f{n}" for n in range(50)]
    refused(tgz(OWN, *map(member, many)), "at most 50 members")
    refused(zipped({NAME: b"{}", **dict.fromkeys(many, b"")}), "50 members", form=Form.ZIP)
    refused(gzip.compress(tar(OWN)) + gzip.compress(b"") * 60, "gzip members")
    headers = tar(member("x", b"12 comment=a"[:0], b"x"))[:512] * 5
    refused(gzip.compress(headers + tar(OWN)), "headers in front")


@pytest.mark.parametrize("second", [NAME, f"./{NAME}", f".//{NAME}"])
def test_second_manifest(second: str) -> None:
    refused(tgz(OWN, member(second, b"[]")), NAME, "second one")
    refused(zipped({NAME: b"{}", second + "X" * (second == NAME): b""}).replace(
        f"{NAME}X".encode(), NAME.encode()) if second != NAME else doubled(), "second one",
        form=Form.ZIP)  # fmt: skip


def doubled() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        return zipped_infos((zipfile.ZipInfo(NAME), b"{}"), (zipfile.ZipInfo(NAME), b"[]"))


def test_no_manifest() -> None:
    for made, form in ((tgz(member("a")), Form.TAR_GZ), (zipped({"a": b""}), Form.ZIP),
                       (tgz(), Form.TAR_GZ), (zipped({}), Form.ZIP)):  # fmt: skip
        refused(made, NAME, "root", form=form)
    refused(tgz(member(f"bundle/{NAME}", b"{}")), f"but bundle/{NAME}")


# --- damage

SOUND = tgz(OWN, member("a", random.Random(1).randbytes(3000)))
SOUND_ZIP = zipped({NAME: b"{}", "a": random.Random(1).randbytes(3000), "b": b"b" * 500})


@pytest.mark.parametrize("cut", [0, 1, 2, 5, 10, 100, 1000, len(SOUND) - 8, len(SOUND) - 1])
def test_truncated_gzip(cut: int) -> None:
    refused(SOUND[:cut], "gzip")


def test_every_truncated_zip() -> None:
    for cut in range(len(SOUND_ZIP)):
        refused(SOUND_ZIP[:cut], "zip", form=Form.ZIP)


def test_tar_cut_off_inside_its_gzip() -> None:
    plain = tar(OWN, member("a", b"x" * 600))
    for cut in (100, 511, 700, 1023, 1600, 2040, 2047):
        refused(gzip.compress(plain[:cut]), "cut off")


def test_garbage() -> None:
    for data, word in ((b"", "empty"), (b"no gzip at all", "gzip"), (SOUND + b"more", "behind"),
                       (gzip.compress(b"x" * 2000), "tar"), (gzip.compress(b"x"), "cut off"),
                       (SOUND + bytes(9) + SOUND, "behind")):  # fmt: skip
        refused(data, word)
    refused(b"PK no zip", "zip", form=Form.ZIP)


def test_wrong_checksums() -> None:
    refused(SOUND[:-8] + b"\0\0\0\0" + SOUND[-4:], "damaged")
    plain = bytearray(tar(OWN))
    plain[3] ^= 1
    refused(gzip.compress(bytes(plain)), "damaged header")


def test_what_follows_the_end_of_a_tar() -> None:
    """GNU tar with -i reads on where others stop."""
    refused(gzip.compress(tar(OWN) + tar(member("hidden", b"x"))), "behind the end")


def test_names_and_sizes_that_readers_disagree_on() -> None:
    info, _ = OWN
    gnu = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    gnu[345:350] = b"12345"
    refused(gzip.compress(repaired(bytes(gnu)) + b"{}" + bytes(510)), "cut in two")
    refused(tgz(OWN, member("d", b"x", tarfile.DIRTYPE)), "without content")
    refused(tgz(OWN, member("d/", b"x", tarfile.AREGTYPE)), "without content")
    for pax, word in ((b"13 size=1e3\x00\n", "digits"), (b"99 path=x\n", "sound"),
                      (b"8 path\n\n", "sound"), (b"xx", "sound")):  # fmt: skip
        header = tar(member("x", pax, b"x"))[:1024]
        refused(gzip.compress(header + tar(OWN)), word)
    refused(gzip.compress(tar(member("x", b"14 path=a/b/c\n", b"g"))[:1024] + tar(OWN)), "for all")
    two = tar(member("x", b"14 path=a/b/c\n", b"x"))[:1024]
    refused(gzip.compress(two + two + tar(OWN)), "two")
    refused(gzip.compress(two), "none")
    negative = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    negative[124:136] = b"\xff" * 12
    refused(gzip.compress(repaired(bytes(negative))), "numbers")


def test_size_of_a_pax_header_counts() -> None:
    """As it does for tarfile: else it and we would see other members."""
    inner = tar(member("hidden", b"x"))[:1024]
    outer = repaired(bytes(member("a")[0].tobuf(tarfile.USTAR_FORMAT)))
    made = gzip.compress(
        tar(member("x", b"13 size=1024\n", b"x"))[:1024] + outer + inner + tar(OWN)
    )
    assert look(made).files == {"a", NAME}
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        assert archive.getnames() == ["a", NAME]


# --- zip against itself


def patched(data: bytes, mark: bytes, offset: int, value: bytes, which: int = 0) -> bytes:
    at = -1
    for _ in range(which + 1):
        at = data.index(mark, at + 1)
    at += offset
    return data[:at] + value + data[at + len(value) :]


def little(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "little")


LOCAL, ENTRY, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
BEGIN_OF_A = SOUND_ZIP.index(LOCAL, 1)
BEGIN_OF_B = SOUND_ZIP.index(LOCAL, SOUND_ZIP.index(LOCAL, 1) + 1)
LIES: dict[str, tuple[bytes, str]] = {
    "encrypted": (patched(SOUND_ZIP, ENTRY, 8, b"\1"), "encrypted"),
    "other flags in front": (patched(SOUND_ZIP, LOCAL, 6, b"\1"), "as the directory"),
    "method": (patched(SOUND_ZIP, ENTRY, 10, little(14, 2)), "method 14"),
    "smaller than it is": (patched(patched(SOUND_ZIP, ENTRY, 24, little(9), 2), LOCAL, 22,
                                   little(9), 2), "as declared"),
    "larger than it is": (patched(patched(SOUND_ZIP, ENTRY, 24, little(900), 2), LOCAL, 22,
                                  little(900), 2), "other content"),
    "other sizes in front": (patched(SOUND_ZIP, LOCAL, 22, little(9), 2), "sizes"),
    "zip64 entry": (patched(SOUND_ZIP, ENTRY, 24, b"\xff" * 4), "zip64"),
    "zip64 end": (patched(SOUND_ZIP, END, 16, b"\xff" * 4), "zip64"),
    "other name in front": (patched(SOUND_ZIP, LOCAL, 30, b"x", 1), "as the directory"),
    "over another": (patched(SOUND_ZIP, ENTRY, 42, little(BEGIN_OF_A), 2), "over another"),
    "several disks": (patched(SOUND_ZIP, END, 4, little(1, 2)), "several"),
    "more entries": (patched(SOUND_ZIP, END, 8, little(4, 2) * 2), "damaged"),
    "fewer entries": (patched(SOUND_ZIP, END, 8, little(2, 2) * 2), "more bytes"),
    "in front": (b"#!/bin/sh\n" + SOUND_ZIP, "in front"),
    "two ends": (SOUND_ZIP[:-2] + little(22, 2) + SOUND_ZIP[-22:], "several ends"),
    "bytes between": (
        patched(patched(SOUND_ZIP[:BEGIN_OF_B] + b"hidden" + SOUND_ZIP[BEGIN_OF_B:], ENTRY, 42,
                        little(BEGIN_OF_B + 6), 2), END, 16,
                little(SOUND_ZIP.index(ENTRY) + 6)), "between"),
    "checksum": (patched(patched(SOUND_ZIP, ENTRY, 16, b"\0\0\0\0"), LOCAL, 14, b"\0\0\0\0"),
                 "checksum"),
    "data": (patched(SOUND_ZIP, LOCAL, 31, b"\xff" * 6, 2), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_zip_that_does_not_say_the_same_twice(lie: str) -> None:
    data, word = LIES[lie]
    refused(data, word, form=Form.ZIP)


def test_zip64_locator_and_second_names() -> None:
    at = SOUND_ZIP.index(END)
    locator = b"PK\6\7" + bytes(16)
    refused(SOUND_ZIP[:at] + locator + SOUND_ZIP[at:], "zip64", form=Form.ZIP)
    info = zipfile.ZipInfo("a")
    info.extra = struct.pack("<HHBL", 0x7075, 8, 1, zlib.crc32(b"a")) + b"../"
    refused(zipped_infos((zipfile.ZipInfo(NAME), b"{}"), (info, b"")), "Unicode", form=Form.ZIP)


# --- bombs


def of_zeros(size: int, header: bytes) -> bytes:
    """Gzip a header and as many zeros, without ever holding them."""
    packer = zlib.compressobj(9, wbits=31)
    pieces = [packer.compress(header)]
    pieces += [packer.compress(bytes(MB)) for _ in range(size // MB)]
    return b"".join([*pieces, packer.flush()])


def declaring(name: str, size: int) -> bytes:
    return bytes(member(name, size=size)[0].tobuf(tarfile.GNU_FORMAT))


def peak(work: Callable[[], None]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_bombs_cost_no_memory() -> None:
    limits = Limits(max_unpacked_bytes=64 * MB)
    zeros = of_zeros(100 * MB, declaring("zeros", 60 * MB))
    end = of_zeros(100 * MB, b"")
    gigabyte = of_zeros(64 * MB, declaring(NAME, 1 << 30))
    below = of_zeros(32 * MB, declaring(NAME, 30 * MB))
    bomb = zipped({NAME: b"{}", "zeros": bytes(100 * MB)})
    liar = patched(patched(bomb, ENTRY, 24, little(5), 1), LOCAL, 22, little(5), 1)
    fat = zipped({NAME: bytes(32 * MB)})

    def work() -> None:
        refused(zeros, "unpacked bytes", limits=limits)
        refused(end, "unpacked bytes", limits=limits)
        refused(gigabyte, NAME, "unpacked bytes", limits=limits)
        refused(below, NAME, "a manifest of at most", limits=limits)
        refused(bomb, "unpacked bytes", form=Form.ZIP, limits=limits)
        refused(liar, "as declared", form=Form.ZIP, limits=limits)
        refused(fat, NAME, "a manifest of at most", form=Form.ZIP, limits=limits)

    assert peak(work) < 3 * MB


def test_unpacked_bytes_count_together() -> None:
    halves = {NAME: b"{}", "a": bytes(600_000), "b": bytes(600_000)}
    refused(zipped(halves), "unpacked bytes", form=Form.ZIP)
    refused(tgz(*(member(*one) for one in halves.items())), "unpacked bytes")


def test_large_archive_costs_no_memory() -> None:
    noise = random.Random(3).randbytes(8 * MB)
    made = [(tgz(OWN, member("noise", noise)), Form.TAR_GZ),
            (zipped({NAME: b"{}", "noise": noise}), Form.ZIP)]  # fmt: skip
    for data, form in made:
        file = io.BytesIO(data)
        assert peak(lambda f=file, o=form: read(f, o, NAME, Limits()) and None) < MB


# --- whatever comes

MUTABLE = [(SOUND, Form.TAR_GZ), (SOUND_ZIP, Form.ZIP)]
PLAIN = tar(OWN, member("ü" * 80, b"x" * 700), member("d/", kind=tarfile.DIRTYPE))


def ends_well(data: bytes, form: Form) -> Archive | None:
    with suppress(Invalid):
        return look(data, form)
    return None


@given(st.binary(max_size=3000), st.sampled_from(Form))
def test_any_bytes(data: bytes, form: Form) -> None:
    ends_well(data, form)
    ends_well(gzip.compress(data), Form.TAR_GZ)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_mutation(data: st.DataObject) -> None:
    plain, form = data.draw(st.sampled_from([*MUTABLE, (PLAIN, None)]))
    mutated = bytearray(plain)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        piece = data.draw(st.binary(max_size=8))
        mutated[at : at + data.draw(st.integers(0, 8))] = piece
    if form is None:
        mutated, form = gzip.compress(bytes(mutated), 1), Form.TAR_GZ
    found = ends_well(bytes(mutated), form)
    if found is not None and form is Form.TAR_GZ:
        with tarfile.open(fileobj=io.BytesIO(bytes(mutated))) as archive:
            seen = {one.name.removeprefix("./") for one in archive if one.isfile()}
        assert seen == found.files
    elif found is not None:
        with zipfile.ZipFile(io.BytesIO(bytes(mutated))) as archive:
            assert {one for one in archive.namelist() if not one.endswith("/")} == found.files


def test_the_name_that_clients_use() -> None:
    assert look(bundle(), name=TECH_SUPPORT).manifest == manifest()
