"""Safe output of jobs: never over an input or over another call's output, no file before all are complete."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from instrerank.collections.loaded import is_name
from instrerank.errors import InputError
from instrerank.files import check_writable, is_stream, partial_path, remove_abandoned


def check_output(path: str | Path, inputs: Mapping[str, Any], *, create: bool = True) -> Path:
    """Check before any work that an output can be written and is not an input.

    Args:
        path: path of the file to write, whose sidecar is next to it.
        inputs: inputs by parameter; those that are not paths are ignored.
        create: create its folder, and remove files that killed processes left there.

    Raises:
        InputError: the output (or its sidecar) is an input, or cannot be written.
    """
    path = Path(path)
    if is_stream(path):
        return path
    written = {path.resolve(), Path(f"{path}.yaml").resolve()}
    for parameter, source in inputs.items():
        if is_name(source) and _exists(source) and Path(source).resolve() in written:
            raise InputError(
                f"`output` {path} is also the input `{parameter}`, which would be lost: choose another file"
            )
    if create:
        check_writable(path)
        remove_abandoned(path.resolve().parent)
    return path


@contextmanager
def staged(
    folder: str | Path, inputs: Mapping[str, Any], *, overwrite: bool = False, replaces: tuple[str, ...] = ()
) -> Iterator[Path]:
    """Yield a folder to write files into; when the block succeeds, all of them are moved to `folder`.

    An existing file with other content was made by another call and is not replaced; in that case no file is moved.
    Files that killed processes left behind are removed.

    Args:
        folder: folder of the files, created if it does not exist.
        inputs: as for `check_output`.
        overwrite: replace existing files.
        replaces: patterns of names that are always replaced (an index of the folder).

    Raises:
        InputError: the folder cannot be written, has other files with these names, or a file is an input.
    """
    folder = Path(folder)
    check_writable(folder / "any")
    remove_abandoned(folder)
    staging = partial_path(folder / "files")
    staging.mkdir()
    try:
        yield staging
        files = sorted(path.relative_to(staging) for path in staging.rglob("*") if path.is_file())
        for name in files:
            target = check_output(folder / name, inputs, create=False)
            free = overwrite or any(fnmatch(name.name, pattern) for pattern in replaces)
            if target.exists() and not free and not filecmp.cmp(staging / name, target, shallow=False):
                raise InputError(
                    f"{target} exists with other content (from another seed, other inputs or settings): "
                    f"choose another `output`, or replace it with `overwrite`"
                )
        for name in files:
            target = (folder / name).resolve()
            target.parent.mkdir(parents=True, exist_ok=True)
            (staging / name).replace(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _exists(source: str | Path) -> bool:
    try:
        return Path(source).exists()
    except OSError:  # an instruction, say, longer than a file name may be
        return False
