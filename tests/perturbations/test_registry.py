import pytest

from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.perturbations import generator, perturb, register, registry, resolve, resolve_all
from instrerank.trec.types import Topic


@pytest.fixture
def own(monkeypatch):
    """A registry that a test may add to."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))


def test_own_perturbations_in_one_decorator(own):
    @register("leet", family="unicode", expects="invariance", seeded=False)
    def leet(topic, rng, *, letter: str = "e"):
        """Digits for letters."""
        return topic.text.replace(letter, "3")

    assert [one.topic.text for one in perturb([Topic("1", "green tea")], resolve("leet"), 1)] == ["gr33n t3a"]
    other = resolve("leet:letter=t")
    assert other.name == "leet-letter-t"
    assert next(perturb([Topic("1", "green tea")], other, 1)).topic.text == "green 3ea"
    assert "leet" in [p.name for p in resolve_all(["unicode"])]


def test_entry_points_are_loaded(own, monkeypatch):
    class Entry:
        value = "other_package.perturbations"

        def load(self):
            register("from-elsewhere", family="typo", expects="invariance")(lambda topic, rng: topic.text + "!")

    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry()])
    registry._load_entry_points.cache_clear()
    assert next(perturb([Topic("1", "tea")], resolve("from-elsewhere"), 1)).topic.text == "tea!"
    registry._load_entry_points.cache_clear()


def test_a_name_is_taken_once_and_holds_no_dots(own):
    with pytest.raises(InputError, match="already registered"):
        register("typo-swap", family="typo", expects="invariance")
    with pytest.raises(InputError, match="only letters, digits and single hyphens"):
        register("a.b", family="typo", expects="invariance")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("typo-mixd", "Nearest: typo-mixed.*Available: case-lower, .*word-swap"),
        ("typo-mixed:edit=2", "unknown option 'edit'. Available: edits"),
        ("typo-mixed:edits=two", "edits must be of type int, got 'two'"),
        ("typo-mixed:on=title", "`on` must be text or instruction, got 'title'"),
        ("other-query:on=instruction", "cannot be applied to the instruction"),
        ("recorded", "recorded needs a file of variants .file=FILE.: write recorded:file=…"),
    ],
)
def test_unknown_names_and_options_say_what_there_is(spec, said):
    with pytest.raises(InputError, match=said):
        resolve(spec)


def test_all_leaves_out_what_needs_more_than_topics():
    names = {p.name for p in resolve_all(["all"])}
    assert not {"recorded", "synonym-wordnet"} & names
    assert {"typo-mixed", "instruction-swapped", "injection-task-front"} <= names
    assert [p.name for p in resolve_all(["numbers", "typo-swap", "numbers"])] == [
        *("number-change", "number-grouping", "number-words", "unit-names", "typo-swap"),
    ]


def test_a_perturbation_of_queries_can_be_turned_on_the_instruction():
    swap = resolve("typo-swap:on=instruction")
    assert (swap.name, swap.changes) == ("typo-swap-on-instruction", "instruction")
    [one] = perturb([Topic("1", "tea", "only oolong")], swap, 1)
    assert one.topic.text == "tea"
    assert sorted(one.topic.instruction) == sorted("only oolong") != one.topic.instruction
    assert one.edits[0].field == "instruction"


def test_without_wordnet_it_says_how_to_get_it(monkeypatch):
    import sys

    from instrerank.perturbations import synonyms

    monkeypatch.setitem(sys.modules, "nltk.corpus", None)
    synonyms._wordnet.cache_clear()
    with pytest.raises(MissingPrerequisiteError, match="instrerank.wordnet.* nltk.downloader wordnet"):
        next(perturb([Topic("1", "green tea")], resolve("synonym-wordnet"), 1))


def test_generators_differ_by_each_part_of_their_key():
    first = [generator(1, "typo-swap", "7").random() for _ in range(2)]
    assert first[0] == first[1]
    others = [generator(*key).random() for key in ((2, "typo-swap", "7"), (1, "typo", "7"), (1, "typo-swap", "07"))]
    assert len({first[0], *others}) == 4


def test_wordnet_gives_other_lemmas_of_the_first_sense(monkeypatch):
    import sys
    from types import SimpleNamespace

    from instrerank.perturbations import synonyms

    def sense(*lemmas):
        return SimpleNamespace(lemma_names=lambda: list(lemmas), pos=lambda: "n")

    senses = {"prices": [sense("price", "terms", "asking_Price"), sense("cost")], "tea": [sense("tea")]}
    wordnet = SimpleNamespace(
        ensure_loaded=lambda: None,
        synsets=lambda word: senses.get(word, []),
        morphy=lambda word, pos: word.removesuffix("s"),
    )
    monkeypatch.setitem(sys.modules, "nltk", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "nltk.corpus", SimpleNamespace(wordnet=wordnet))
    synonyms._wordnet.cache_clear()
    synonyms._first_sense.cache_clear()
    drawn = {
        next(perturb([Topic("1", "Prices of tea")], resolve("synonym-wordnet"), seed)).topic.text for seed in range(30)
    }
    assert drawn == {"Terms of tea", "Asking price of tea"}
    synonyms._wordnet.cache_clear()
    synonyms._first_sense.cache_clear()
