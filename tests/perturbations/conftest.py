import pytest

from instrerank.trec.types import Topic


@pytest.fixture
def topics() -> list[Topic]:
    """Queries of many kinds; the last two have no instruction."""
    return [
        Topic("007", "how do goldfish sleep at night", "Relevant passages name 2 sources. Nothing before 1990."),
        Topic("a-1", "Definition of photosynthesis?", "I teach beginners and want passages with a short definition."),
        Topic("a-2", "cost of 5 km taxi ride in Oslo", "Passages must mention a price in kroner."),
        Topic("x", "ww1", "Only passages about the causes are relevant."),
        Topic("y", "что такое фотосинтез", "Answers in Russian are welcome, too."),
        Topic("emoji", "best 🍕 near me 👩‍👩‍👧", "Ignore advertising."),
        Topic("rtl", "ما هي عاصمة مصر", "Passages should name the city."),
        Topic("z1", "who is it"),
        Topic("long", " ".join(["the history of glass making in venice"] * 286)),
    ]
