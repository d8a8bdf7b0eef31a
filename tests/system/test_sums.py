"""Checksums beside files."""

import subprocess

import pytest

from tfdistill.system.errors import UserError
from tfdistill.system.sums import SUMS, check_sums, file_digest, forget_sums, renew_sums, write_sums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "one.txt").write_text("one")
    (tmp_path / "below" / "two words.txt").write_text("two")
    (tmp_path / ".hidden").write_text("three")
    write_sums(tmp_path)
    return tmp_path


def test_sha256sum_reads_them(folder):
    words = ["sha256sum", "--check", "--quiet", SUMS]
    assert subprocess.run(words, cwd=folder, check=False).returncode == 0
    (folder / "below" / "two words.txt").write_text("too")
    assert subprocess.run(words, cwd=folder, check=False, capture_output=True).returncode == 1
    assert ".hidden" not in (folder / SUMS).read_text()


def test_a_changed_file_is_named(folder):
    one = folder / "one.txt"
    check_sums(one, folder / "not there", folder / ".hidden")
    write_sums(folder)  # its own file is not among them
    check_sums(one)
    one.write_text("two")
    with pytest.raises(UserError, match=f"{one} is damaged, .*delete {folder / SUMS}"):
        check_sums(folder / ".hidden", one)
    forget_sums(folder)
    check_sums(one)


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[:90], lambda c: b"\xff" + c[1:]])
def test_damaged_checksums_are_named(folder, damage):
    """Nothing would be compared with them."""
    sums = folder / SUMS
    sums.write_bytes(damage(sums.read_bytes()))
    with pytest.raises(UserError, match=f"{sums} is damaged, no list of checksums: restore it, or"):
        check_sums(folder / "one.txt")


def test_a_file_that_the_checksums_lack_is_named(folder):
    """As those that are cut off at the end of a line, which `sha256sum` does not notice."""
    one, sums = folder / "one.txt", folder / SUMS
    lines = sums.read_text().splitlines(keepends=True)
    assert [line.split("  ")[1] for line in lines] == ["below/two words.txt\n", "one.txt\n"]
    sums.write_text(lines[0])
    with pytest.raises(UserError, match=f"{one} is not listed in {sums}, .*or delete it if"):
        check_sums(one)
    renew_sums(one)
    assert sums.read_text() == "".join(lines)
    check_sums(one)
    forget_sums(folder)
    renew_sums(one)
    assert not sums.exists()


def test_checksums_of_names_with_a_dot(folder):
    """As `sha256sum ./*.txt` writes them."""
    line = f"{file_digest(folder / 'one.txt')}  ./one.txt\n"
    (folder / SUMS).write_text(line)
    check_sums(folder / "one.txt")
    (folder / "one.txt").write_text("two")
    with pytest.raises(UserError, match=r"one\.txt is damaged, not what was written"):
        check_sums(folder / "one.txt")


def test_checksums_of_binary_mode(folder):
    """As `sha256sum --binary` writes them."""
    sums = folder / SUMS
    sums.write_text(sums.read_text().replace("  ", " *"))
    check_sums(folder / "one.txt")
    (folder / "one.txt").write_text("two")
    with pytest.raises(UserError, match="one.txt is damaged"):
        check_sums(folder / "one.txt")
