"""What `files` reads, and what it refuses by its true name; its writing is tested with the verbs."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from instrerank.errors import InputError
from instrerank.files import is_stream, parse_json, read_lines, read_yaml_file, reading, whole_file


def packed(kind):
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("topics.tsv", "1\ttides\n")
    else:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("topics.tsv"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("t.tsv", gzip.compress(b"1\ttides\n"), "gzip data, but its name does not end in .gz"),
        ("t.tsv.gz", b"1\ttides\n", "its name ends in .gz, but it is not gzip data"),
        ("t.tsv.gz", gzip.compress(packed("tar")), "a tar archive"),
        ("t.tsv", packed("tar"), "a tar archive"),
        ("t.tsv", packed("zip"), "a zip archive"),
        ("t.tsv", bz2.compress(b"1\ttides\n"), "compressed with bzip2"),
        ("t.tsv", bz2.compress(b""), "compressed with bzip2"),
        ("t.tsv", lzma.compress(b"1\ttides\n"), "compressed with xz"),
        ("t.tsv", b"\x28\xb5\x2f\xfd\x24\x08A", "compressed with zstd"),
        ("t.tsv", b"PAR1\x15\x04\x15", "a Parquet file"),
        ("t.tsv", "1\ttides\n".encode("utf-16"), "UTF-16: convert it"),
        ("t.tsv", "1\ttides\n".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        ("t.tsv", "1\ttides\n".encode("utf-16-be"), "UTF-16 without a byte order mark"),
        ("t.tsv", "1\ttides\n".encode("utf-32"), "UTF-32: convert it"),
        ("t.tsv", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a Git LFS pointer"),
        ("t.tsv", b"\n<!DOCTYPE html>\n<html>", "a web page"),
        (
            "t.tsv",
            b"1\ttides\n2\tca\xe9\n",
            ":2: not UTF-8 (invalid continuation byte at byte 4 of the line). Convert",
        ),
        ("t.tsv", b"1\ttides\n2\t\x01\xe9\n", "It looks like a binary file"),
        ("t.tsv", b"1\ttides\n2\ta\0b\n", ":2: contains NUL"),
        ("t.tsv.gz", gzip.compress(b"1\ttides\n" * 99)[:-12], "cannot read"),
        ("t.tsv.gz", gzip.compress(os.urandom(999))[:60] + b"\xff" * 40, "cannot read"),
    ],
)
def test_what_is_not_text_is_refused_by_its_name(tmp_path, name, content, complaint):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        list(read_lines(tmp_path / name))
    assert complaint in str(error.value)
    assert str(tmp_path / name) in str(error.value)


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(InputError, match="it is a folder; give the name of a file"):
        list(read_lines(tmp_path))


def test_damaged_gzip_data_is_one_line(tmp_path):
    content = bytearray(gzip.compress(b"".join(b"%d\ttides\n" % at for at in range(20_000))))
    for at in range(12, len(content), 997):
        broken = content.copy()
        broken[at] ^= 0xFF
        (tmp_path / "t.gz").write_bytes(broken)
        with pytest.raises(InputError):
            list(read_lines(tmp_path / "t.gz"))


@pytest.mark.parametrize("line", [b"\n", b"1\ttides\n", b" "])
def test_what_unpacks_to_far_more_is_refused(tmp_path, monkeypatch, line):
    monkeypatch.setattr(reading, "_BOMB_SIZE", 1 << 20)
    (tmp_path / "t.gz").write_bytes(gzip.compress(line * (8 << 20)))
    with pytest.raises(InputError, match=r"t\.gz: it unpacks to more than 200 times its size"):
        for _ in read_lines(tmp_path / "t.gz"):
            pass


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_LONGEST_LINE", 1 << 20)
    (tmp_path / "t").write_bytes(b"first\n" + b"a" * (2 << 20))
    with pytest.raises(InputError, match="t:2: the line is longer than 1 MiB"):
        list(read_lines(tmp_path / "t"))


def test_lines_over_the_edge_of_a_block(tmp_path, monkeypatch):
    text = "".join(f"{at}\té\u2028{'x' * at}{chr(13) if at % 3 else ''}\n" for at in range(60)) + "last"
    (tmp_path / "t").write_bytes(text.encode())
    whole = list(read_lines(tmp_path / "t"))
    assert [number for number, _ in whole] == list(range(1, 62))
    assert whole[0] == (1, "0\té\u2028")
    for size in (1, 2, 7, 64):
        monkeypatch.setattr(reading, "_BLOCK", size)
        assert list(read_lines(tmp_path / "t")) == whole


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no /dev/fd")
def test_a_process_substitution_can_be_read_twice():
    code = "from instrerank.files import read_lines; import sys; [print(list(read_lines(sys.argv[1]))) for _ in 'ab']"
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" <(printf "1\\ttides\\n")', sys.executable, code], capture_output=True, text=True
    )
    assert done.stdout == "[(1, '1\\ttides')]\n" * 2


def test_standard_input_that_is_closed(monkeypatch):
    reading._standard_input.cache_clear()
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        list(read_lines("-"))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"a": ', "f:3: not JSON: Expecting value at column 7"),
        ("[" * 100_000, "f:3: JSON nested too deeply"),
        ('{"a":' * 100_000, "f:3: JSON nested too deeply"),
        ("1" * 5000, "f:3: JSON that cannot be parsed: Exceeds the limit"),
        ('{"a": ["\\udc00"]}', "f:3: \\udc00 is an unpaired surrogate"),
        ('{"a": "b\\u0000"}', "f:3: contains \\u0000 (NUL)"),
        ('{"\\uD800": 1}', "f:3: \\ud800 is an unpaired surrogate"),
    ],
)
def test_json_that_is_refused(text, complaint):
    with pytest.raises(InputError) as error:
        parse_json(text, "f:3")
    assert str(error.value).startswith(complaint)


def test_json_that_only_looks_so():
    assert parse_json('{"a": "\\\\u0000 \\\\ud83d"}', "f:3") == {"a": "\\u0000 \\ud83d"}


def test_a_regular_file_of_a_memory_disk_is_replaced_whole_and_streams_are_written_into(tmp_path):
    memory = Path("/dev/shm")
    if memory.is_dir():
        path = memory / f"instrerank-{os.getpid()}.txt"
        path.write_text("before")
        try:
            assert not is_stream(path)
        finally:
            path.unlink()
    assert all(map(is_stream, ("-", "/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")))
    (tmp_path / "target.txt").write_text("before")
    (tmp_path / "link.txt").symlink_to("target.txt")
    with whole_file(tmp_path / "link.txt") as file:
        file.write("after")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == "after"


@pytest.mark.parametrize("text", ["[" * 200_000, "\n".join(" " * depth + "a:" for depth in range(500))])
def test_deep_yaml_is_refused_before_the_parser_ends_the_process(tmp_path, text):
    path = tmp_path / "run.txt.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="run.txt.yaml: nested too deeply"):
        read_yaml_file(path)


def test_yaml_that_says_something_twice(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\na: 2\n")
    with pytest.raises(InputError, match="a.yaml is not valid YAML: duplicate key 'a'"):
        read_yaml_file(path)
