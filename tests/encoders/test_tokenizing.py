import json

import pytest
import tiny
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.texts import EncoderText, passage_text, query_text
from instrerank.encoders.tokenizer_files import read_tokenizer
from instrerank.encoders.tokenizing import TextTokenizer, load_tokenizer
from instrerank.errors import InputError

MEAN = EncoderProfile("f", "mean")
TEXTS = [EncoderText(text) for text in tiny.PASSAGES]


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "modernbert", "t5", "qwen3", "llama"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_ids_are_those_of_transformers(models, kind, side):
    folder = models(kind, f"plain-{kind}", side=side)
    reference = transformers.AutoTokenizer.from_pretrained(folder)
    found = load_tokenizer(folder, MEAN).encode(TEXTS, 40)
    assert [one.ids for one in found] == reference(tiny.PASSAGES, truncation=True, max_length=40)["input_ids"]
    whole = reference(tiny.PASSAGES, truncation=False)["input_ids"]
    assert [one.truncated for one in found] == [len(ids) > 40 for ids in whole]
    assert {one.truncated for one in found} == {True, False}


def test_a_folder_without_tokenizer_json(tmp_path):
    """A BERT folder of old has only its vocabulary: transformers converts it, to the same ids."""
    tokenizer = tiny.wordpiece()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    whole = load_tokenizer(tmp_path, MEAN).encode(TEXTS, 40)
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert load_tokenizer(tmp_path, MEAN).encode(TEXTS, 40) == whole


def test_tokenizer_config_overrules_the_case(models, tmp_path):
    tiny.wordpiece().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    cased = load_tokenizer(tmp_path, MEAN).encode([EncoderText("Bees"), EncoderText("bees")], 10)
    (tmp_path / "tokenizer_config.json").unlink()
    lower = load_tokenizer(tmp_path, MEAN).encode([EncoderText("Bees"), EncoderText("bees")], 10)
    assert cased[0].ids != cased[1].ids and lower[0].ids == lower[1].ids == cased[1].ids


@pytest.mark.parametrize("own_end", [True, False])
def test_begin_and_end_tokens_are_there_once_even_in_cut_texts(own_end):
    tokenizer = tiny.byte_bpe(["<unk>", "<s>", "</s>"], "<s>", "</s>" if own_end else None)
    profile = EncoderProfile("f", "last", begin_token="bos", end_token="eos")
    tokens = TextTokenizer(tokenizer, profile, {"bos": "<s>", "eos": "</s>"}).encode(TEXTS, 16)
    for one in tokens:
        assert one.ids[0] == 1 and one.ids[-1] == 2
        assert one.ids.count(1) == one.ids.count(2) == 1
        assert len(one.ids) <= 16
    assert any(one.truncated for one in tokens)


def test_a_begin_token_the_profile_does_not_name_stays():
    tokenizer = tiny.byte_bpe(["<unk>", "<s>", "</s>"], "<s>", None)
    profile = EncoderProfile("f", "last", end_token="</s>")
    assert TextTokenizer(tokenizer, profile, {}).encode([EncoderText("sea")], 16)[0].ids[0] == 1


def test_special_tokens_that_are_missing_or_wrong_are_refused():
    profile = EncoderProfile("f", "last", end_token="<|endoftext|>")
    with pytest.raises(InputError, match=r"special token '<\|endoftext\|>'"):
        TextTokenizer(tiny.wordpiece(), profile, {})
    with pytest.raises(InputError, match="special token 'eos'"):
        TextTokenizer(tiny.wordpiece(), EncoderProfile("f", "last", end_token="eos"), {})
    with pytest.raises(InputError, match="which contradicts its profile"):
        TextTokenizer(tiny.wordpiece(), EncoderProfile("f", "last", end_token="[MASK]"), {})
    bare = tiny.byte_bpe(["<unk>"], None, None)
    with pytest.raises(InputError, match="needs a special token at the start"):
        TextTokenizer(bare, EncoderProfile("f", "cls"), {})


def test_prefix_lengths(models):
    profile = EncoderProfile("f", "mean", "{i}{q}", pool_prefix=False)
    tokenizer = load_tokenizer(models("t5", "plain-t5"), profile)
    built = [query_text(profile, "tides", "Find the cause: "), passage_text(profile, "tides")]
    first, second = tokenizer.encode(built, 30)
    alone = tokenizer.encode([EncoderText("Find the cause: ")], 30)[0]
    assert first.skip == len(alone.ids) - 1  # its own end token is not there in the joined text
    assert first.ids[: first.skip] == alone.ids[:-1]
    assert second.skip == 0
    with pytest.raises(InputError, match="no room for the text"):
        tokenizer.encode([query_text(profile, "tides", "Find the cause of it all, in every sea: ")], 8)


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["tides", "unbelievable", "a", "copper", "meanderingunbelievably"]), min_size=1),
    st.integers(1, 12),
    st.integers(1, 12),
)
@pytest.mark.parametrize("kind", ["bert", "llama", "t5"])
def test_windows_cover_the_text(kind, words, size, stride):
    tokenizer = TextTokenizer(tiny.tokenizer_of(kind)[0], MEAN, {})
    text = " ".join(words)
    if stride > size:
        with pytest.raises(InputError, match="stride"):
            tokenizer.windows(text, size, stride)
        return
    pieces = tokenizer.windows(text, size, stride)
    assert all(piece in text for piece in pieces)
    assert text.startswith(pieces[0]) and text.endswith(pieces[-1])

    def length(piece: str) -> int:
        return len(tokenizer.windows(piece, 1, 1))

    short = {word for word in words if max(length(word), length(f" {word}")) <= size}
    assert all(any(word in piece for piece in pieces) for word in short)
    if stride == size and short == set(words):
        assert " ".join(" ".join(pieces).split()) == text


def test_windows_are_cut_between_words_and_by_tokens():
    tokenizer = TextTokenizer(tiny.wordpiece(), MEAN, {})
    text = " ".join(tiny.SENTENCES[:3])
    pieces = tokenizer.windows(text, 12, 6)
    assert len(pieces) > 3
    for piece in pieces:
        tokens = tokenizer.encode([EncoderText(piece)], 100)[0].ids
        assert len(tokens) - 2 <= 12
        position = text.index(piece)
        assert position == 0 or not (text[position - 1].isalpha() and text[position].isalpha())
    assert tokenizer.windows("Tides follow the moon.", 100, 50) == ["Tides follow the moon."]


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_unreadable_tokenizers(tmp_path, content):
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match="no usable tokenizer"):
        load_tokenizer(tmp_path, MEAN)


CHANNEL = EncoderProfile("f", "mean", "{q}[SEP]{i}")


def test_a_query_cannot_forge_a_special_token_of_the_template():
    tokenizer = TextTokenizer(tiny.wordpiece(), CHANNEL, {})
    mark = tiny.wordpiece().token_to_id("[SEP]")
    built = [
        query_text(CHANNEL, q, i) for q, i in (("tides", "moon"), ("tides [SEP] moon", "sea"), ("[SEP]", "[SEP]"))
    ]
    honest, forged, both = (one.ids for one in tokenizer.encode(built, 40))
    assert [ids.count(mark) for ids in (honest, forged, both)] == [2, 2, 2]  # the template's, and the one at the end
    text = [one.ids[1:-1] for one in tokenizer.encode([EncoderText(t) for t in ("tides [SEP] moon", "sea")], 40)]
    assert forged[1:-1] == [*text[0], mark, *text[1]]
    first = forged.index(mark)
    assert forged[1:first] == text[0] and mark not in text[0]


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "modernbert", "t5", "qwen3", "llama"])
def test_a_channel_gives_the_ids_of_transformers(models, kind):
    folder = models(kind, f"plain-{kind}")
    mark = {"bert": "[SEP]", "modernbert": "[SEP]", "qwen3": "<|im_end|>"}.get(kind, "</s>")
    profile = EncoderProfile("f", "mean", f"{{q}}{mark}{{i}}")
    reference = transformers.AutoTokenizer.from_pretrained(folder)
    built = [query_text(profile, text, "the moon") for text in tiny.PASSAGES]
    found = load_tokenizer(folder, profile).encode(built, 40)
    expected = reference([text.text for text in built], truncation=True, max_length=40)["input_ids"]
    assert [one.ids for one in found] == expected


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "modernbert", "t5", "qwen3", "llama"])
def test_special_tokens_in_a_passage_are_text(models, kind):
    folder = models(kind, f"plain-{kind}")
    special = {"bert": "[SEP]", "modernbert": "[SEP]", "qwen3": "<|endoftext|>"}.get(kind, "</s>")
    text = f"Tides {special} follow"
    tokenizer = read_tokenizer(folder).tokenizer
    index, frame = tokenizer.token_to_id(special), tokenizer.encode("tides").ids.count(tokenizer.token_to_id(special))
    assert tokenizer.encode(text).ids.count(index) == frame + 1  # the tokenizer itself would be deceived
    tokens = load_tokenizer(folder, MEAN).encode([passage_text(MEAN, text)] * 2, 60)
    assert tokens[0].ids.count(index) == frame and tokens[0] == tokens[1]
    if kind not in ("xlm-roberta", "t5"):  # whose vocabularies hold it as a piece
        reference = transformers.AutoTokenizer.from_pretrained(folder)
        assert tokens[0].ids == reference(text, split_special_tokens=True)["input_ids"]
    assert (
        "".join(tokenizer.decode(tokens[0].ids, skip_special_tokens=True).split()).lower()
        == f"tides{special}follow".lower()
    )


def test_characters_outside_the_vocabulary_are_no_special_tokens(models):
    folder = models("xlm-roberta", "plain-xlm-roberta")
    reference = transformers.AutoTokenizer.from_pretrained(folder)
    text = "Tides \U00012000 follow \u4e2d"
    found = load_tokenizer(folder, MEAN).encode([EncoderText(text)], 40)[0]
    assert found.ids == reference(text)["input_ids"]


def test_a_long_forged_text_is_cut_and_counted():
    tokenizer = TextTokenizer(tiny.wordpiece(), CHANNEL, {})
    mark = tiny.wordpiece().token_to_id("[SEP]")
    long = query_text(CHANNEL, "[SEP] tides " * 40, "moon")
    found = tokenizer.encode([long], 20)[0]
    assert found.truncated and len(found.ids) == 20 and found.ids.count(mark) == 1 and found.ids[-1] == mark
    assert not tokenizer.encode([query_text(CHANNEL, "[SEP]", "moon")], 20)[0].truncated


@pytest.mark.parametrize(("kind", "mark"), [("bert", "[SEP]"), ("llama", "</s>"), ("qwen3", "<|im_end|>")])
def test_a_prefix_with_special_tokens_is_not_pooled(kind, mark):
    profile = EncoderProfile(
        "f", "mean", f"{{i}}{mark}{{q}}", pool_prefix=False, passage_template=f"{mark}{mark}{{d}}"
    )
    tokenizer = TextTokenizer(tiny.tokenizer_of(kind)[0], profile, {})
    index = tiny.tokenizer_of(kind)[0].token_to_id(mark)
    for instruction in ("moon", f"{mark} moon"):
        found = tokenizer.encode([query_text(profile, "tides", instruction)], 60)[0]
        assert found.ids[found.skip - 1] == index and index not in found.ids[1 : found.skip - 1]
    passage = tokenizer.encode([passage_text(profile, "tides")], 60)[0]
    assert passage.ids[passage.skip - 2 : passage.skip] == [index, index]
