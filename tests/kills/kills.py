"""Kill each verb that writes at its file events: `python tests/kills/kills.py [N] [SEED] [VERB …]`.

Killed before the n-th time that it opens a file for writing, renames, makes or removes one, and called again, a verb
ends with the same bytes as one that nothing has broken, and leaves no partial file. Exit code 1 where one does not.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("fuzz", "encoders")]

import tiny
from targets import FILES

from instrerank.cli import main

_RERANK = "rerank --run run.txt --topics topics.tsv --corpus passages.jsonl --encoder model"
_TRAIN = "train --data rows.jsonl --encoder model --batch-size 2 --save-steps 1 --device cpu --output out/model"
VERBS = {
    "index": "index --corpus passages.jsonl --index out/index",
    "search": "search --index ready --topics topics.tsv --output out/run.txt",
    "rerank": f"{_RERANK} --store out/store --output out/run.txt",
    "perturb": "perturb --topics topics.tsv --perturbations typo-mixed,word-swap --seeds 1,2 --source small --output out",
    "constrain": "constrain --topics topics.tsv --qrels qrels.txt --corpus passages.jsonl --output out",
    "attack": f"{_RERANK.replace('rerank', 'attack')} --qrels qrels.txt --budget edits=1 --store none --output out",
    "attack passages": f"{_RERANK.replace('rerank', 'attack')} --qrels qrels.txt --passages query --store none --output out",
    "study": "study study.yaml --store none --output out",
    "train": f"{_TRAIN} --max-steps 2",
    "train lora": f"{_TRAIN} --max-steps 2 --lora --rank 2",
    "export": "export run.txt --to trec --output out/run.txt",
    "export beir": "export run.txt --to beir --output out/run.json",
}  # fmt: skip
"""Every verb that writes, into `out`."""
_AGAIN = {"index": " --overwrite"} | dict.fromkeys(("search", "rerank", "study", "train"), " --resume")
"""What is added when a verb is called again."""
_SLOW = ("index", "search", "attack", "study")
_NOT_THE_SAME_TWICE = ("log.jsonl",)
_EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}


def _own(path: object, folder: str) -> bool:
    return isinstance(path, (str, bytes, os.PathLike)) and os.path.abspath(os.fsdecode(path)).startswith(folder)


def _watch(folder: str, kill_at: int | None, counted: str) -> None:
    """Kill this process before its file event number `kill_at`; without, write the number of its events on exit."""
    seen = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event == "open":
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        elif event in _EVENTS:
            writes = True
        else:
            return
        if writes and _own(arguments[0], folder):
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if kill_at is None:
                os.write(count, b".")

    count = os.open(counted, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    sys.addaudithook(hook)


def _call(command: str, kill_at: int | None = None) -> tuple[int, int]:
    """Run a command in a process of its own; return its exit code (negative: the signal) and its file events."""
    counted = f"{Path.cwd()}-events"
    process = os.fork()
    if process == 0:
        code = 1
        try:
            with open("messages.txt", "w") as messages:
                os.dup2(messages.fileno(), 1)
                os.dup2(messages.fileno(), 2)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
            _watch(str(Path.cwd() / "out"), kill_at, counted)
            code = main(command.split())
        except SystemExit as error:
            code = int(error.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), Path(counted).stat().st_size


def _prepare(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).write_text(content)
    tiny.save(folder / "model", "bert")
    profile = '{"family": "small", "pooling": "mean", "query_template": "{q} {i}", "max_query_length": 32, "max_passage_length": 32}'
    (folder / "model/instrerank.json").write_text(profile)
    assert _call(VERBS["index"].replace("out/index", "ready"))[0] == 0, Path("messages.txt").read_text()


def _made(folder: Path, verb: str) -> dict[str, bytes]:
    """Return what a verb has made: bytes by name, without the times and the command of a sidecar."""
    made = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name in _NOT_THE_SAME_TWICE or path.is_dir():
            continue
        content = path.read_bytes()
        if path.suffix == ".safetensors" and "store" in path.parts and "partial" not in name:
            continue  # shards have names of their own
        if verb == "index" and ".partial" not in name:  # Lucene names its segments at random
            continue
        if path.suffix in (".yaml", ".jsonl", ".json", ".md"):
            content = re.sub(rb"(?m)^    [a-z ]+: [\d.e-]+\n", b"", content)
            content = re.sub(rb"(?m)^.*(seconds|started|command|--resume|time|_runtime|per_second).*\n", b"", content)
        made[name] = content
    return made


def _finished(verb: str, command: str) -> str:
    """Call a killed verb again; return what went wrong, "" if nothing did."""
    again = command + _AGAIN.get(verb.split()[0], "")
    code, _ = _call(again)
    if code != 0:
        return f"exit {code}: {Path('messages.txt').read_text()[-400:]}"
    if verb == "index":
        code, _ = _call("search --index out/index --topics topics.tsv --output found.txt --overwrite")
        if code != 0:
            return f"the index is not whole: {Path('messages.txt').read_text()[-400:]}"
    return ""


def _difference(made: dict[str, bytes], whole: dict[str, bytes]) -> str:
    for name in sorted(made.keys() | whole.keys()):
        if name not in whole:
            return f"left behind: {name}"
        if name not in made:
            return f"missing: {name}"
        if made[name] != whole[name]:
            now, before = (set(each.decode("latin-1").splitlines()) for each in (made[name], whole[name]))
            return f"other bytes: {name}: {str(sorted(now - before))[:200]} for {str(sorted(before - now))[:200]}"
    return ""


def kill_all(kills: int, seed: int, verbs: list[str]) -> tuple[Counter[str], list[str]]:
    """Kill the verbs `kills` times in all, in the working directory; return kills by verb, and what went wrong."""
    random, out = Random(seed), Path("out")
    done: Counter[str] = Counter()
    wrong = []
    _prepare(Path())
    shares = [1 if verb in _SLOW else 2 for verb in verbs]
    ends = [round(kills * sum(shares[: at + 1]) / sum(shares)) for at in range(len(verbs))]
    for verb, begin, end in zip(verbs, [0, *ends[:-1]], ends, strict=True):
        command = VERBS[verb]
        code, events = _call(command)
        if code != 0:
            wrong.append(f"{verb}: unbroken, exit {code}: {Path('messages.txt').read_text()[-400:]}")
            continue
        whole = _made(out, verb)
        shutil.rmtree(out)
        share = end - begin
        started = time.monotonic()
        places = random.sample(range(1, events + 1), min(share, events))
        places += random.choices(range(1, events + 1), k=share - len(places))
        for place in sorted(places):
            code, _ = _call(command, place)
            if code != -signal.SIGKILL:
                wrong.append(f"{verb} at {place} of {events}: not killed but exit {code}")
            done[verb] += 1
            problem = _finished(verb, command) or _difference(_made(out, verb), whole)
            if problem:
                wrong.append(f"{verb} at {place} of {events}: {problem}")
            shutil.rmtree(out, ignore_errors=True)
        print(f"{verb:18}{events:5} file events{len(places):5} kills{time.monotonic() - started:7.0f} s", flush=True)
    return done, wrong


def run(kills: int, seed: int, verbs: list[str]) -> int:
    """Kill in a fresh folder, print counts and what went wrong, and return the exit code."""
    import peft  # noqa: F401 - once, before the forks
    import sentence_transformers  # noqa: F401

    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        folder = Path(name).resolve() / "work"
        folder.mkdir()
        os.chdir(folder)
        os.environ["INSTRERANK_CACHE"] = f"{name}/cache"
        done, wrong = kill_all(kills, seed, verbs or list(VERBS))
        os.chdir("/")
    print(f"{done.total()} kills, {len(wrong)} not resumed to the same bytes")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:3]]
    sys.exit(run(*(numbers + [250, 1][len(numbers) :]), sys.argv[3:]))  # type: ignore[call-arg]
