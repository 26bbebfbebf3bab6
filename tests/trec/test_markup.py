import pytest

from instrerank.errors import InputError
from instrerank.trec import Topic, read_instructions, read_topics


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "<top><num>1<title>tides</top><top><num>2<title>bread</top>",
        "<TOP>\n<NUM>Number: 1</NUM>\n<TITLE>Topic: tides</TITLE>\n</TOP>\n<TOP><NUM>2</NUM>\n<TITLE>bread</TITLE>\n"
        "</TOP>",
        "junk\n<top>\n<num> Number: 1 <title> tides </top>\n<top>\n<num> 2\n<title> bread\n</top>",
        "<!-- two topics --><top id='1'><title>tides</title></top><top id=\"2\"><title>bread</title></top>",
        "<topics><topic number='1'><query>tides</query></topic>"
        "<topic number=2><query><![CDATA[bread]]></query></topic></topics>",
        "<topic><EN-title>tides</EN-title><identifier>1</identifier></topic>"
        "<topic><num>2</num><title>bread</title></topic>",
        "<!DOCTYPE topics [ <!ELEMENT top (num)> ]><top><num>1</num><title>tides</title></top>"
        "<top><num>2</num><query><title>bread</title></query></top>",
        "<top>\n<head> Tipster Topic Description\n<num> Number: 1\n<dom> Domain: Sea\n<title> Topic: tides\n"
        "<con> Concept(s):\n1. moon\n<fac> Factor(s):\n<nat> Nationality: U.S.\n</fac>\n"
        "</top>\n<top><num>2<title>bread</top>",
    ],
)
def test_tags_make_topics_wherever_lines_end(tmp_path, text):
    assert read_topics(write(tmp_path / "t", text)) == [Topic("1", "tides"), Topic("2", "bread")]


def test_no_field_takes_what_belongs_to_another(tmp_path):
    path = write(
        tmp_path / "t",
        "<top><num>1</num><title>AT&amp;T &lt;b&gt; &#65; x < 3</title><desc>d</desc>"
        "<narr>only <b>bold</b> ones</narr><con>c</con></top>",
    )
    assert read_topics(path) == [Topic("1", "AT&T <b> A x < 3")]
    assert read_instructions(path) == {"1": "only bold ones"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<top>\n<num>1\n<title>a\n<top>\n<num>2<title>b</top>\n", "t:1: <top> without </top>"),
        ("<top><num>1<title>a</top>\n</top>\n", "t:2: </top> without <top>"),
        ("<top><num>1<title>a\n<title>b</top>\n", "t:2: a second <title> in the topic on line 1"),
        ("<top><num>1</num><title>a <x>b</x> c</title></top>\n", "t:1: </title>: contains other tags"),
        (
            "<top><num>1</num><desc>d</desc></top>\n",
            "t:1: qid 1 has an empty text (no <title> or <query>); its elements",
        ),
        ("<topics><topic number='1'><field name='x'>y</field></topic></topics>", "its elements: <field>"),
        ("<top><title>a</title></top>\n", "t:1: qid '' is empty"),
        ("<top><num>1 2</num><title>a</title></top>\n", "t:1: qid '1 2' contains whitespace"),
        (
            "<queries><query><id>1</id><title>a</title></query></queries>\n",
            "no <top> or <topic> found; its tags: <queries>",
        ),
        ("<topics></topics>\n", "no <top> or <topic> found"),
        ("<topic number='1'/>\n", "t:1: qid 1 has an empty text"),
    ],
)
def test_what_would_lose_or_mix_topics_is_an_error(tmp_path, text, complaint):
    with pytest.raises(InputError) as error:
        read_topics(write(tmp_path / "t", text))
    assert complaint in str(error.value)


def test_text_that_is_not_read_is_told_of(tmp_path, caplog):
    read_topics(
        write(
            tmp_path / "t", "<topics>\nheading\n<top>\n<num>1</num> stray <title>a</title><foo>b</foo></top></topics>"
        )
    )
    assert "t:2: warning: text outside topics is ignored: heading" in caplog.text
    assert "text outside the topic's elements is ignored: stray" in caplog.text
    assert "<foo> is not an element of a TREC topic" in caplog.text
