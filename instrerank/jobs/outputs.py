"""Where a job may write: never over an input, never over what another call made, all of its files or none."""

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
    """Prove before any work that an output can be written and is none of the inputs.

    Args:
        path: of the file to write; its sidecar lies beside it.
        inputs: by parameter what is read: paths count, other names and objects in memory do not.
        create: make its folder, and remove what killed processes left there.

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
                f"`output` {path} is also the input `{parameter}`: name another file, or it would be lost"
            )
    if create:
        check_writable(path)
        remove_abandoned(path.resolve().parent)
    return path


@contextmanager
def staged(
    folder: str | Path, inputs: Mapping[str, Any], *, overwrite: bool = False, replaces: tuple[str, ...] = ()
) -> Iterator[Path]:
    """Yield a folder to write files into; when the block ends well, all of them move to `folder`.

    A file that is there with other bytes was made by another call and is not replaced, and then no file moves. What a
    killed process left behind is removed.

    Args:
        folder: where the files go, made if it is not there.
        inputs: as for `check_output`.
        overwrite: replace files whatever they hold.
        replaces: patterns of names that may be replaced always (an index of what the folder holds).

    Raises:
        InputError: the folder cannot be written, holds other files of these names, or a file is an input.
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
            target = check_output(folder / name, inputs)
            free = overwrite or any(fnmatch(name.name, pattern) for pattern in replaces)
            if target.exists() and not free and not filecmp.cmp(staging / name, target, shallow=False):
                raise InputError(
                    f"{target} exists and holds something else (another seed, other inputs or settings): "
                    f"name another `output`, or replace it with `overwrite`"
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
