"""Throw damaged files at every reader: `python tests/fuzz/fuzz.py [N] [SEED]`; exit code 1 where one ends badly.

An input ends well with an answer or a message: exit code 0, 2 or 3, no traceback, nothing half written, and soon.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from mutations import mutated
from targets import TARGETS, Target, make_folder

from instrerank.cli import main

LONGEST = 20
"""Seconds that an input may take."""
MEMORY = 24 << 30
"""Bytes beyond today's that an input may ask for."""


class Failure(NamedTuple):
    """An input that ended badly.

    Attributes:
        number: which one; with the seed of the run it gives the input again.
        file: the damaged file.
        call: what was called with it.
        outcome: the exception and its place, or what else was wrong.
        content: of the damaged file.
    """

    number: int
    file: str
    call: str
    outcome: str
    content: bytes


class _Hang(BaseException):
    pass


def _alarm(*_: object) -> None:
    raise _Hang


def fuzz(inputs: int, seed: int, folder: Path, report: Callable[[Failure], None]) -> Counter[tuple[str, str]]:
    """Run inputs in `folder`, which is the working directory and is made.

    Returns:
        How often each outcome came with each kind of file.
    """
    counts: Counter[tuple[str, str]] = Counter()
    with _silent():
        make_folder(folder)
    valid = _snapshot(folder)
    before = signal.signal(signal.SIGALRM, _alarm)
    try:
        for number in range(inputs):
            random = Random(f"{seed} {number}")
            target = TARGETS[number % len(TARGETS)]
            content = mutated(random, valid[target.file], target.form)
            (folder / target.file).write_bytes(content)
            call = random.choice(target.calls)
            outcome = _outcome(call)
            left = [str(path) for path in folder.rglob("*") if path.name.endswith((".partial", ".lock"))]
            if outcome in ("2", "3") and any(path.is_file() for path in folder.glob("out/**/*")):
                left.append("out")
            if left:
                outcome = f"left {left[0]}"
            if outcome not in ("0", "2", "3"):
                report(
                    Failure(number, target.file, call if isinstance(call, str) else call.__name__, outcome, content)
                )
            counts[_kind(target), outcome] += 1
            _restore(folder, valid)
    finally:
        signal.signal(signal.SIGALRM, before)
    return counts


def _kind(target: Target) -> str:
    return (
        target.file.replace("/", " ").split()[0] + " " + Path(target.file).name if "/" in target.file else target.file
    )


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _restore(folder: Path, valid: dict[str, bytes]) -> None:
    """Put everything back as it was; what was written since goes."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    for path in sorted(folder.rglob("*"), reverse=True):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in valid:
            path.unlink()
    for name, content in valid.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != len(content) or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _outcome(call: str | Callable[[], object]) -> str:
    """Return the exit code, or where an exception came from."""
    signal.alarm(LONGEST)
    try:
        with _silent():
            return str(main(call.split()) if isinstance(call, str) else call() or 0)
    except SystemExit as error:
        return str(error.code)
    except _Hang:
        return "hang"
    except BaseException as error:
        if getattr(error, "exit_code", None) in (2, 3) and not isinstance(call, str):
            return str(error.exit_code)  # type: ignore[attr-defined]
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/instrerank/" in frame.filename]
        place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
        return f"{type(error).__name__} at {place}: {str(error)[:80]!r}"
    finally:
        signal.alarm(0)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def _bounded_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))


def _print_table(counts: Counter[tuple[str, str]]) -> None:
    outcomes = ("0", "2", "3")
    print(f"{'file':48}{'inputs':>8}" + "".join(f"{'exit ' + each:>8}" for each in outcomes) + f"{'bad':>6}")
    for kind in [*dict.fromkeys(kind for kind, _ in counts), None]:
        rows = {outcome: number for (each, outcome), number in counts.items() if each == kind} if kind else Counter()
        for (_, outcome), number in counts.items() if kind is None else ():
            rows[outcome] = rows.get(outcome, 0) + number
        total, good = sum(rows.values()), [rows.get(each, 0) for each in outcomes]
        print(f"{kind or 'all':48}{total:8}" + "".join(f"{each:8}" for each in good) + f"{total - sum(good):6}")


def run(inputs: int, seed: int) -> int:
    """Fuzz in a fresh folder, print counts by kind and outcome, and return the exit code."""
    failures: list[Failure] = []
    seen: Counter[str] = Counter()

    def report(failure: Failure) -> None:
        failures.append(failure)
        seen[failure.outcome.partition(": ")[0]] += 1
        if seen[failure.outcome.partition(": ")[0]] <= 2:
            print(
                f"input {failure.number}: {failure.file}: {failure.outcome}\n   {failure.call}\n   {failure.content[:300]!r}"
            )
            sys.stdout.flush()

    logging.disable(logging.WARNING)
    _bounded_memory()
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        os.environ["INSTRERANK_CACHE"] = f"{name}-cache"
        counts = fuzz(inputs, seed, Path(name).resolve(), report)
        shutil.rmtree(f"{name}-cache", ignore_errors=True)
    _print_table(counts)
    for place, number in seen.most_common():
        print(f"{number:6} × {place}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(run(*(int(each) for each in [*sys.argv[1:3], *("50000", "1")[len(sys.argv) - 1 :]])))
