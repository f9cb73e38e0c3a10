"""Packages made to hurt whoever reads them: refused by their form, in bounded work."""

import io
import os
import stat
import zipfile

import pytest

from dossier.container import is_package, open_package, pack
from dossier.errors import Unreadable, Untrue
from dossier.manifest import MANIFEST, SUMS, Manifest, read_sums


def zipped(path, members):
    """A zip of (name or ZipInfo, bytes), as they come."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in members:
            out.writestr(name, data)
    return path


def linked(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


def oddly(name):
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_LZMA
    return info


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("../../etc/passwd", "leads elsewhere"),
        ("/etc/passwd", "leads elsewhere"),
        ("proofs/../../x", "leads elsewhere"),
        ("proofs//x", "leads elsewhere"),
        ("proofs/", "leads elsewhere"),
        ("C:/x", "no package has"),
        ("a\\b", "no package has"),
        ("a/b/c/d/e", "no package has"),
        (linked("policy"), "is a link"),
        (oddly("policy"), "oddly packed"),
    ],
)
def test_a_zip_with_such_a_name_is_refused_before_anything_is_read(tmp_path, member, said):
    path = zipped(tmp_path / "p.zip", [(MANIFEST, b"{}"), (SUMS, b""), (member, b"x")])
    with pytest.raises(Unreadable, match=said):
        open_package(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(tmp_path):
    path = zipped(tmp_path / "p.zip", [(MANIFEST, b"{}"), (MANIFEST, b"{} "), (SUMS, b"")])
    with pytest.raises(Unreadable, match="twice"):
        open_package(path)


@pytest.mark.parametrize("cut", [0, 4, 30, -10])
def test_what_is_no_whole_zip_is_refused(tmp_path, cut):
    path = zipped(tmp_path / "p.zip", [(MANIFEST, b"{}"), (SUMS, b"")])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(Unreadable):
        open_package(path)


def test_links_pipes_and_deep_folders_are_refused(copy):
    for make in (
        lambda: (copy.folder / "link").symlink_to("/etc/passwd"),
        lambda: (copy.folder / "link").symlink_to("/", target_is_directory=True),
        lambda: os.mkfifo(copy.folder / "link"),
    ):
        make()
        with pytest.raises(Unreadable, match="link"):
            copy.check()
        (copy.folder / "link").unlink()
    deep = copy.folder / "proofs" / "mill-0" / "a"
    deep.mkdir()
    (deep / "b").mkdir()
    with pytest.raises(Unreadable, match="no plain file"):
        copy.check()


def test_a_zip_says_what_its_folder_says_and_is_the_same_each_time(made, tmp_path):
    first, second = io.BytesIO(), io.BytesIO()
    pack(made.folder, first)
    pack(made.folder, second)
    assert first.getvalue() == second.getvalue()
    path = tmp_path / "p.zip"
    path.write_bytes(first.getvalue())
    assert is_package(path)
    assert made.check(path=path).figures == made.check().figures


def test_a_file_that_unpacks_to_more_than_it_may_is_refused(made, tmp_path):
    """A manifest of 100 MB that packs to 100 kB; a policy that is longer than it says."""
    path = zipped(tmp_path / "p.zip", [(MANIFEST, bytes(100 << 20)), (SUMS, b"")])
    assert path.stat().st_size < 1 << 20
    with pytest.raises(Unreadable, match="the most that is read"):
        made.check(path=path)
    members = [(name, (made.folder / name).read_bytes()) for name in made.names]
    longer = [(n, d + bytes(50 << 20) if n == "policy" else d) for n, d in members]
    with pytest.raises(Untrue, match=r"policy is not the file that manifest\.json names"):
        made.check(path=zipped(tmp_path / "q.zip", longer))


def test_the_lists_have_one_spelling(made):
    good = (made.folder / MANIFEST).read_bytes()
    assert Manifest.from_bytes(good).to_bytes() == good
    for wrong in (
        b"", b"[]", b"{}", b"[" * 100_000, b"\xff", good[:-1], good + b"\n",
        good.replace(b'"version": 1', b'"version": 2'),
        good.replace(b'"version": 1', b'"version": true'),
        good.replace(b'"size": ', b'"size": -', 1),
        good.replace(b'"files": {', b'"files": {\n  "../x": {"size": 1, "sha256": "00"},'),
        good.replace(b"proofs/mill-0/", b"proofs/mill-7/"),
        good.replace(b'"policy"', b'"Policy"'),
        good.replace(b'"by": "', b'"by": "\\ud800'),
        good.replace(b'"by": "', b'"by": "\\n'),
    ):  # fmt: skip
        assert wrong != good
        with pytest.raises(Unreadable):
            Manifest.from_bytes(wrong)
    sums = (made.folder / SUMS).read_bytes()
    assert read_sums(sums)
    first = sums.splitlines(keepends=True)[0]
    for wrong in (first + sums, sums[:-1], sums.upper(), b"\xff", sums + b"\n"):
        with pytest.raises(Unreadable):
            read_sums(wrong)


# -- a zip that another program reads otherwise --------------------------------------------------


def in_front(decoy, good):
    return decoy + good


def behind(decoy, good):
    return good + decoy


def between(decoy, good):
    """Entries before the directory that it does not name."""
    start = good.index(b"PK\x01\x02")
    entries = decoy[: decoy.index(b"PK\x01\x02")]
    end = bytearray(good[good.rindex(b"PK\x05\x06") :])
    end[16:20] = (start + len(entries)).to_bytes(4, "little")
    return good[:start] + entries + good[start : good.rindex(b"PK\x05\x06")] + bytes(end)


def commented(_, good):
    return good[:-2] + b"\x04\x00ahem"


def counted_short(_, good):
    end = good.rindex(b"PK\x05\x06")
    return good[: end + 8] + b"\x01\x00\x01\x00" + good[end + 12 :]


def packed_otherwise(_, good):
    """The entry's own header says that it is stored as it is."""
    return good[:8] + b"\x00\x00" + good[10:]


@pytest.mark.parametrize(
    "lie", [in_front, behind, between, commented, counted_short, packed_otherwise]
)
def test_a_zip_that_can_be_read_in_two_ways_is_refused(tmp_path, lie):
    """Whoever reads from the front would see what was never checked."""
    good = zipped(tmp_path / "good.zip", [(MANIFEST, b"{}"), (SUMS, b"")])
    open_package(good).__exit__()
    decoy = zipped(tmp_path / "decoy.zip", [("report.html", b"nothing is missing")])
    (tmp_path / "p.zip").write_bytes(lie(decoy.read_bytes(), good.read_bytes()))
    with pytest.raises(Unreadable, match="the zip"):
        open_package(tmp_path / "p.zip")


def test_a_zip_that_names_a_file_twice_over_is_refused(tmp_path):
    named = zipfile.ZipInfo(SUMS)
    named.extra = b"\x75\x70\x09\x00\x01" + bytes(4) + b"x.md"
    path = zipped(tmp_path / "p.zip", [(MANIFEST, b"{}"), (named, b"")])
    with pytest.raises(Unreadable, match="can be read in two ways"):
        open_package(path)


def test_a_zip_that_was_written_to_a_pipe_is_read(tmp_path):
    """Sizes behind the data, as many programs write them."""

    class Pipe(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            return file.write(data)

    with (
        (tmp_path / "p.zip").open("wb") as file,
        zipfile.ZipFile(Pipe(), "w", zipfile.ZIP_DEFLATED) as out,
    ):
        out.writestr(MANIFEST, b"{}")
        out.writestr(SUMS, b"")
    with open_package(tmp_path / "p.zip") as opened:
        assert opened.read(MANIFEST, 10) == b"{}"


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nb", os.fsdecode(b"\xff.txt")])
def test_a_files_name_is_told_so_that_no_terminal_obeys_it(copy, name):
    (copy.folder / name).write_bytes(b"x")
    with pytest.raises(Untrue) as found:
        copy.check()
    assert str(found.value).isprintable()
