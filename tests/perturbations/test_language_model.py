"""Variants from a language model: asked once, recorded, filtered, counted, whatever the endpoint does."""

import hashlib
import json
import logging
import threading

import pytest
from chat_server import error

from instrerank.cli import main
from instrerank.errors import InputError, InstrerankWarning, MissingPrerequisiteError
from instrerank.jobs.perturb import perturb
from instrerank.perturbations import resolve
from instrerank.perturbations.llm import LanguageModel, LanguageModelOptions, prompts
from instrerank.trec import Topic, read_topics

TOPICS = [Topic("1", "green tea in Japan"), Topic("2", "who is it"), Topic("3", "black tea in 1999")]
PLAIN = {"model": "m", "meaning_encoder": "none"}


def asked_for(message):
    return message.rpartition("Query: ")[2]


def ask(chat, folder=None, what="llm-paraphrase", topics=TOPICS, **more):
    return perturb(topics, what, output=folder, endpoint=chat.url, **PLAIN | more)


def texts(sets):
    return [topic.text for topic in sets[0].topics]


def answers(folder):
    return [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]


def test_later_runs_give_the_same_bytes_without_the_endpoint(chat, tmp_path):
    first = tmp_path / "first"
    sets = ask(chat, first, ["llm-paraphrase", "llm-voice"], seeds=[1, 2])
    assert texts(sets) == ["reworded green tea in Japan", "reworded who is it", "reworded black tea in 1999"]
    assert sets[0].provenance["language_model"] == {"model": "m", "prompts": 1, "filter": {"encoder": "none"}}
    assert len(chat.requests) == len(answers(first)) == 12
    assert {request["seed"] for request in chat.requests} == {1, 2}
    assert {request["path"] for request in chat.requests} == {"/v1/chat/completions"}
    second = tmp_path / "second"
    second.mkdir()
    (second / "answers.jsonl").write_bytes((first / "answers.jsonl").read_bytes())
    perturb(TOPICS, ["llm-paraphrase", "llm-voice"], seeds=[1, 2], output=second, **PLAIN)
    assert len(chat.requests) == 12
    assert {p.name: p.read_bytes() for p in first.iterdir()} == {p.name: p.read_bytes() for p in second.iterdir()}
    [again] = perturb(read_topics(first / "topics.topics.llm-paraphrase.s1.tsv"), "case-upper")
    assert again.topics[0].text == "REWORDED GREEN TEA IN JAPAN"


def test_what_is_not_recorded_needs_an_endpoint_and_a_model(chat, tmp_path):
    ask(chat, tmp_path, topics=TOPICS[:2])
    with pytest.raises(InputError, match=r"1 of 3 answers of m not recorded in .*answers.jsonl: give the `endpoint`"):
        perturb(TOPICS, "llm-paraphrase", output=tmp_path, **PLAIN)
    for changed in ({"model": "n"}, {"seeds": 2}, {"request": {"temperature": 0.5}}):
        with pytest.raises(InputError, match="2 of 2 answers"):
            perturb(TOPICS[:2], "llm-paraphrase", output=tmp_path, **PLAIN | changed)
    with pytest.raises(InputError, match="llm-paraphrase needs a language model"):
        perturb(TOPICS, "llm-paraphrase", output=tmp_path)
    with pytest.raises(InputError, match="unknown option 'language_model'"):
        resolve("llm-paraphrase:language_model=m")
    with pytest.raises(InputError, match="`model` applies to perturbations by a language model"):
        perturb(TOPICS, "case-upper", **PLAIN)


def test_the_request_is_what_was_asked_for(chat):
    ask(chat, request={"temperature": 0.5, "seed": None})
    assert {(request["temperature"], "seed" in request) for request in chat.requests} == {(0.5, False)}
    assert {request["model"] for request in chat.requests} == {"m"}


def test_the_same_text_is_asked_once(chat):
    [queries] = ask(chat, topics=[Topic("1", "tea"), Topic("2", "tea")])
    assert len(chat.requests) == 1
    assert [one.changed for one in queries.perturbed] == [True, True]


def test_personas_and_languages_are_drawn_by_seed(chat):
    topics = [Topic(str(number), f"tea {number}") for number in range(20)]
    ask(chat, topics=topics, what="llm-persona")
    drawn = sorted(request["messages"][0]["content"] for request in chat.requests)
    assert len({message.partition(" would type")[0] for message in drawn}) > 5
    chat.requests.clear()
    ask(chat, topics=topics, what="llm-persona")
    assert sorted(request["messages"][0]["content"] for request in chat.requests) == drawn


def test_an_adversarial_instruction_changes_the_instruction_only(chat):
    chat.reply = lambda message, before: "Nothing about coffee, please; leaves only."
    topics = [Topic("1", "tea {q}", "Only passages about leaves."), Topic("2", "coffee")]
    [queries] = ask(chat, topics=topics, what="llm-adversarial-instruction")
    assert queries.topics == (Topic("1", "tea {q}", "Nothing about coffee, please; leaves only."), topics[1])
    [request] = chat.requests
    assert request["messages"][0]["content"].endswith("Query: tea {q}\nInstruction: Only passages about leaves.")


def test_rejected_answers_keep_the_query_and_are_counted(chat, tmp_path, caplog):
    replies = {
        "green tea in Japan": "I'm sorry, but I can't help with that.",
        "who is it": "",
        "black tea in 1999": "a\nb",
    }
    chat.reply = lambda message, before: replies[asked_for(message)]
    [queries] = ask(chat, tmp_path)
    assert queries.topics == tuple(TOPICS)
    assert queries.provenance["rejected"] == {"empty": 1, "refusal": 1, "several-lines": 1}
    assert "3 of 3 variants rejected (empty 1, refusal 1, several-lines 1)" in caplog.text
    [index] = [json.loads(line) for line in (tmp_path / "querysets.topics.jsonl").read_text().splitlines()]
    assert index["changed"] == 0
    assert index["rejected"] == queries.provenance["rejected"]
    assert read_topics(tmp_path / "topics.topics.llm-paraphrase.s1.jsonl") == TOPICS
    lines = (tmp_path / "topics.topics.llm-paraphrase.s1.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in lines] == ["refusal", "empty", "several-lines"]
    assert {record["answer"] for record in answers(tmp_path)} == set(replies.values())


def test_a_filter_of_the_service_is_a_refusal(chat):
    replies = {
        "green tea in Japan": error(400, "The response was filtered", "content_filter"),
        "who is it": {"message": {"content": "x"}, "finish_reason": "content_filter"},
        "black tea in 1999": {"message": {"content": None, "refusal": "no"}, "finish_reason": "stop"},
    }
    chat.reply = lambda message, before: replies[asked_for(message)]
    [queries] = ask(chat)
    assert queries.provenance["rejected"] == {"refusal": 3}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_refused_for_now_is_tried_again(chat, status):
    chat.reply = lambda message, before: "tea of Japan" if before else error(status, "slow down")
    [queries] = ask(chat, topics=TOPICS[:1])
    assert queries.topics[0].text == "tea of Japan"
    assert len(chat.requests) == 2


def test_a_failure_loses_no_answer_and_the_next_call_resumes(chat, tmp_path):
    well = chat.reply
    chat.reply = lambda message, before: error(429, "slow down") if "who" in message else well(message, before)
    with pytest.raises(MissingPrerequisiteError, match="did not answer 1 of 3 requests: 1 × 429: slow down") as raised:
        ask(chat, tmp_path, retries=1)
    assert "`unanswered`: keep" in str(raised.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl"]
    assert len(answers(tmp_path)) == 2
    chat.reply = well
    chat.requests.clear()
    [queries] = ask(chat, tmp_path)
    assert [asked_for(request["messages"][0]["content"]) for request in chat.requests] == ["who is it"]
    assert queries.provenance["changed"] == 3


def test_unanswered_queries_are_kept_on_demand_and_asked_again_later(chat, tmp_path):
    well = chat.reply
    chat.reply = lambda message, before: error(500) if "who" in message else well(message, before)
    [queries] = ask(chat, tmp_path, retries=0, unanswered="keep")
    assert queries.provenance["rejected"] == {"unanswered": 1}
    chat.reply = well
    [queries] = ask(chat, tmp_path, overwrite=True)
    assert queries.provenance["changed"] == 3


def test_a_time_out_is_counted(chat):
    chat.reply = lambda message, before: None
    with pytest.raises(MissingPrerequisiteError, match="3 × no answer within 0.05 s"):
        ask(chat, timeout=0.05, retries=0)


@pytest.mark.parametrize(
    "reply",
    [
        b"", b"<html>", b"\xff\xfe", (200, b"hello", {"content-type": "text/html"}), (200, [], {}),
        (200, {"choices": []}, {}), (200, {"choices": None}, {}), (200, {"choices": [{"message": None}]}, {}),
        {"message": {"content": ["a"]}, "finish_reason": "stop"}, (200, {"text": "hello"}, {}),
    ],
)  # fmt: skip
def test_nonsense_is_counted(chat, reply):
    chat.reply = lambda message, before: reply
    with pytest.raises(InputError, match=r"3 × not a chat completion \(does `endpoint` end in /v1\?\)"):
        ask(chat, retries=0)


def test_an_endpoint_that_keeps_failing_is_given_up(chat):
    chat.reply = lambda message, before: error(500)
    topics = [Topic(str(number), f"tea {number}") for number in range(100)]
    with pytest.raises(MissingPrerequisiteError, match="did not answer 100 of 100 requests, given up"):
        ask(chat, topics=topics, retries=0, unanswered="keep")
    assert len(chat.requests) < 20


def test_answers_under_way_are_kept_when_the_key_is_refused(chat, tmp_path):
    refused = threading.Event()

    def reply(message, before):
        if "who is it" in message:
            refused.set()
            return error(401)
        refused.wait(10)
        return "tea of Japan"

    chat.reply = reply
    with pytest.raises(MissingPrerequisiteError, match="asks for a key"):
        ask(chat, tmp_path, concurrency=2)
    assert len(answers(tmp_path)) == len(chat.requests) - 1 >= 1


def test_one_misunderstanding_among_failures_is_not_the_users(chat):
    chat.reply = lambda message, before: error(400 if "who is it" in message else 503)
    with pytest.raises(MissingPrerequisiteError, match="did not answer 3 of 3"):
        ask(chat, retries=0)


def test_a_request_that_the_endpoint_does_not_understand(chat):
    chat.reply = lambda message, before: error(400, "unknown field seed")
    with pytest.raises(InputError, match="3 × 400: unknown field seed"):
        ask(chat)


def run(chat, folder, *more):
    topics = folder / "topics.tsv"
    topics.write_text("1\tgreen tea in Japan\n")
    return main(
        ["perturb", "--topics", str(topics), "--perturbations", "llm-paraphrase", "--output", str(folder / "sets"),
         "--endpoint", chat.url, "--model", "m", "--meaning-encoder", "none", *more]
    )  # fmt: skip


def test_the_verb(chat, tmp_path, capsys):
    assert run(chat, tmp_path, "--request", '{"temperature": 0}', "--retries", "0") == 0
    assert "llm-paraphrase" in capsys.readouterr().out
    assert chat.requests[0]["temperature"] == 0
    [made] = (tmp_path / "sets").glob("*.tsv")
    assert made.read_text() == "1\treworded green tea in Japan\n"
    with pytest.raises(SystemExit):
        run(chat, tmp_path, "--request", "{")


def test_a_wrong_key_is_a_missing_prerequisite_and_is_written_nowhere(chat, tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-geheim")
    chat.reply = lambda message, before: error(401, "bad key sk-geheim\x1b[31m")
    assert run(chat, tmp_path, "--verbose") == 3
    assert chat.requests[0]["authorization"] == "Bearer sk-geheim"
    printed = capsys.readouterr().err
    assert "refuses the key in OPENAI_API_KEY (401: bad key *** [31m)" in printed
    assert "geheim" not in printed + caplog.text
    chat.reply = lambda message, before: "tea of Japan"
    assert run(chat, tmp_path) == 0
    assert all(b"geheim" not in path.read_bytes() for path in (tmp_path / "sets").iterdir())


def test_keys(chat, monkeypatch):
    chat.reply = lambda message, before: error(401)
    with pytest.raises(MissingPrerequisiteError, match="asks for a key: set OPENAI_API_KEY"):
        ask(chat)
    assert {request["authorization"] for request in chat.requests} == {None}
    with pytest.raises(MissingPrerequisiteError, match="environment variable MINE .* is not set"):
        ask(chat, key_variable="MINE")
    monkeypatch.setenv("MINE", "schlüssel")
    with pytest.raises(InputError, match="cannot be sent") as raised:
        ask(chat, key_variable="MINE")
    assert "schl" not in str(raised.value)
    monkeypatch.setenv("MINE", "k")
    with pytest.warns(InstrerankWarning, match="goes to far.invalid unencrypted"), pytest.raises(Exception):  # noqa: B017
        perturb(TOPICS[:1], "llm-voice", endpoint="http://far.invalid/v1", key_variable="MINE", retries=0, **PLAIN)


def test_unreachable_and_unknown_endpoints(chat, tmp_path, capsys):
    chat.reply = lambda message, before: error(404, "model m not found")
    assert run(chat, tmp_path) == 2
    assert "does not serve m (404: model m not found): check --model" in capsys.readouterr().err
    chat.reply = lambda message, before: (302, b"", {"location": "http://127.0.0.1:9/"})
    assert run(chat, tmp_path) == 2
    chat.close()
    assert run(chat, tmp_path, "--retries", "0") == 3
    assert "cannot be reached" in capsys.readouterr().err


def test_a_proxy_that_cannot_be_used(chat, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "odd://proxy")
    with pytest.raises(InputError, match="cannot be used: .*proxy"):
        ask(chat)


def test_nothing_is_left_to_ask_if_another_process_has_asked(chat, tmp_path):
    slow, fast = (LanguageModel(LanguageModelOptions(endpoint=chat.url, **PLAIN), tmp_path) for _ in range(2))
    for model in (fast, slow):
        assert model.variants(prompts.PROMPTS[0], TOPICS, 1)["2"].text == "reworded who is it"
    assert len(chat.requests) == len(answers(tmp_path)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"endpoint": "file:///etc/passwd"}, "`endpoint` must be a URL"),
        ({"endpoint": "localhost:8000"}, "`endpoint` must be a URL"),
        ({"endpoint": "http://"}, "`endpoint` must be a URL"),
        ({"endpoint": "http://a:b/v1"}, "`endpoint` must be a URL"),
        ({"endpoint": "https://me:geheim@host/v1"}, "must not contain a user"),
        ({"endpoint": "https://host/v1?key=geheim"}, "must not contain a user"),
        ({"request": {"model": "n"}}, "`request` must not set model"),
        ({"request": "x"}, "`request` must be a mapping"),
        ({"request": {"stop": {1}}}, "JSON does not have"),
        ({"request": {"temperature": float("nan")}}, "JSON does not have"),
        ({"endpoint": "http://a b/v1"}, "`endpoint` must be a URL"),
        ({"timeout": 0}, "`timeout`"),
        ({"retries": -1}, "`retries`"),
        ({"concurrency": 0}, "`concurrency`"),
        ({"unanswered": "drop"}, "`unanswered`"),
        ({"meaning_floor": 1.5}, "`meaning_floor`"),
        ({"model": ""}, "`model` is missing"),
    ],
)
def test_options_that_are_refused(options, message):
    with pytest.raises(InputError, match=message) as raised:
        perturb(TOPICS, "llm-paraphrase", **PLAIN | options)
    assert "geheim" not in str(raised.value)


def test_a_torn_line_is_asked_again_and_a_broken_one_refused(chat, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    ask(chat, tmp_path)
    path = tmp_path / "answers.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    chat.requests.clear()
    ask(chat, tmp_path)
    assert "the last line is incomplete" in caplog.text
    assert len(chat.requests) == 1
    assert path.read_bytes() == whole
    for line in (b"[1]\n", b'{"model": "m"}\n', b"\xff\n", b"\n"):
        path.write_bytes(whole + line)
        with pytest.raises(InputError, match=r"answers.jsonl:4"):
            ask(chat, tmp_path)


def test_what_a_text_file_cannot_hold_is_recorded_as_unreadable(chat, tmp_path):
    replies = {"1999": b"tea \\ud83d", "who is it": b"tea \\u0000", "Japan": b"tea \\ud83c\\udf75"}
    body = b'{"choices": [{"message": {"content": "%b"}, "finish_reason": "stop"}]}'
    chat.reply = lambda message, before: body % next(text for end, text in replies.items() if message.endswith(end))
    [queries] = ask(chat, tmp_path)
    assert [topic.text for topic in queries.topics] == ["tea 🍵", "who is it", "black tea in 1999"]
    assert queries.provenance["rejected"] == {"unreadable": 2}
    assert perturb(TOPICS, "llm-paraphrase", output=tmp_path, **PLAIN) == [queries]


def test_prompts_do_not_change_without_their_version():
    texts = json.dumps([[p.name, p.template, p.changes, dict(p.draws), p.adds] for p in prompts.PROMPTS])
    assert (prompts.VERSION, hashlib.sha256(texts.encode()).hexdigest()[:16]) == (1, "9685168acd62f90f")


def test_a_composition_changes_the_variant_and_records_both(chat):
    chat.reply = lambda message, before: "" if "who is it" in message else "tea of Japan"
    [queries] = ask(chat, what="llm-paraphrase+case-upper")
    assert [topic.text for topic in queries.topics] == ["TEA OF JAPAN", "WHO IS IT", "TEA OF JAPAN"]
    assert queries.provenance["rejected"] == {"empty": 1}
    assert queries.provenance["language_model"]["model"] == "m"
    with pytest.raises(InputError, match="llm-paraphrase discards what typo-mixed changed"):
        ask(chat, what="typo-mixed+llm-paraphrase")
