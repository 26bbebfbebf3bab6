"""Families of encoders (BERT and its relatives, T5): most have fixed prefixes, and no place for an instruction."""

from __future__ import annotations

from dataclasses import replace

from instrerank.encoders.families.family import INSTRUCT, WEB_SEARCH, Family, reads
from instrerank.encoders.families.profiles import EncoderProfile

_REPRESENT = "Represent this sentence for searching relevant passages: {q} {i}"

_E5 = EncoderProfile(
    family="e5",
    pooling="mean",
    query_template="query: {q} {i}",
    passage_template="passage: {d}",
    source="arXiv 2212.03533; instruction after the query as in orionw/FollowIR",
)
_E5_INSTRUCT = EncoderProfile(
    family="e5-instruct",
    pooling="mean",
    query_template=INSTRUCT,
    default_instruction=WEB_SEARCH,
    source="arXiv 2402.05672, model card",
)
_INF_EMBED = EncoderProfile(
    family="inf-embed",
    pooling="mean",
    max_query_length=256,
    source="arXiv 2505.21439, code night-chen/InF_Embed",
)
_BGE = EncoderProfile(
    family="bge",
    pooling="cls",
    query_template=_REPRESENT,
    source="arXiv 2309.07597, model card; instruction after the query is our choice",
)
_BGE_M3 = EncoderProfile(
    family="bge-m3",
    pooling="cls",
    max_query_length=8192,
    max_passage_length=8192,
    source="arXiv 2402.03216, the dense vector",
)
_GTE = EncoderProfile(
    family="gte",
    pooling="mean",
    source="arXiv 2308.03281; instruction after the query is our choice",
)
_INSTRUCTOR = EncoderProfile(
    family="instructor",
    pooling="mean",
    query_template="{i}{q}",
    passage_template="Represent the Wikipedia document for retrieval: {d}",
    default_instruction="Represent the Wikipedia question for retrieving supporting documents: ",
    pool_prefix=False,
    source="arXiv 2212.09741, code xlang-ai/instructor-embedding",
)
_CONTRIEVER = EncoderProfile(
    family="contriever", pooling="mean", normalize=False, source="arXiv 2112.09118: dot product"
)
_TAS_B = EncoderProfile(family="tas-b", pooling="cls", normalize=False, source="arXiv 2104.06967: dot product")
_MODERNBERT = EncoderProfile(
    family="modernbert",
    pooling="cls",
    source="arXiv 2412.13663: a masked language model, near useless for ranking before training",
)
_ARCTIC = EncoderProfile(
    family="arctic-embed", pooling="cls", query_template=_REPRESENT, source="arXiv 2405.05374, model card"
)
_ARCTIC_V2 = EncoderProfile(
    family="arctic-embed-v2",
    pooling="cls",
    query_template="query: {q} {i}",
    max_query_length=8192,
    max_passage_length=8192,
    source="arXiv 2412.04506, model card",
)
_NOMIC = EncoderProfile(
    family="nomic-embed",
    pooling="mean",
    query_template="search_query: {q} {i}",
    passage_template="search_document: {d}",
    max_query_length=8192,
    max_passage_length=8192,
    source="arXiv 2402.01613, mteb nomic_models.py; v1.5 without the layer norm that precedes a shorter dimension",
)
_MXBAI = replace(
    _BGE,
    family="mxbai-embed",
    source="model card (CLS pooling), mteb mixedbread_ai_models.py; instruction after the query is our choice",
)
_GRANITE = EncoderProfile(
    family="granite-embedding-r2",
    pooling="cls",
    max_query_length=8192,
    max_passage_length=8192,
    source="arXiv 2508.21085 and 2605.13521, mteb ibm_granite_models.py: no prefixes; instruction after the query is "
    "our choice",
)

ENCODERS: tuple[Family, ...] = (
    Family(r"e5-(small|base|large)(-v2|-unsupervised)?", ("bert",), _E5, "intfloat/e5-base-v2", "mit"),
    Family(
        r"multilingual-e5-(small|base|large)",
        ("bert", "xlm-roberta"),
        replace(_E5, family="multilingual-e5"),
        "intfloat/multilingual-e5-base",
        "mit",
    ),
    Family(
        r"multilingual-e5-large-instruct",
        ("xlm-roberta",),
        _E5_INSTRUCT,
        "intfloat/multilingual-e5-large-instruct",
        "mit",
        instructed=True,
    ),
    Family(r".*inf-?embed.*", ("bert",), _INF_EMBED, instructed=True),
    Family(
        r".*inf-?embed.*",
        ("modernbert",),
        replace(_INF_EMBED, pooling="cls"),
        instructed=True,
    ),
    Family(r"bge-(small|base|large)-en(-v1\.5)?", ("bert",), _BGE, "BAAI/bge-base-en-v1.5", "mit"),
    Family(r"bge-m3", ("xlm-roberta",), _BGE_M3, "BAAI/bge-m3", "mit"),
    Family(r"gte-(small|base|large)", ("bert",), _GTE, "thenlper/gte-base", "mit"),
    Family(
        r"gte-modernbert-base",
        ("modernbert",),
        reads(8192, _GTE, family="gte-modernbert", pooling="cls"),
        "Alibaba-NLP/gte-modernbert-base",
        "apache-2.0",
    ),
    Family(r"instructor-(base|large|xl)", ("t5",), _INSTRUCTOR, "hkunlp/instructor-large", instructed=True),
    Family(r"m?contriever(-msmarco)?", ("bert",), _CONTRIEVER, "facebook/contriever-msmarco"),
    Family(
        r"distilbert-dot-tas_b-b256-msmarco|msmarco-distilbert-base-tas-b",
        ("distilbert",),
        _TAS_B,
        "sentence-transformers/msmarco-distilbert-base-tas-b",
    ),
    Family(r"modernbert-(base|large)", ("modernbert",), _MODERNBERT, "answerdotai/ModernBERT-base"),
    Family(
        r"snowflake-arctic-embed-(xs|s|m|l|m-v1\.5)",
        ("bert",),
        _ARCTIC,
        "Snowflake/snowflake-arctic-embed-m",
        "apache-2.0",
    ),
    Family(
        r"snowflake-arctic-embed-l-v2\.0",
        ("xlm-roberta",),
        _ARCTIC_V2,
        "Snowflake/snowflake-arctic-embed-l-v2.0",
        "apache-2.0",
    ),
    Family(
        r"nomic-embed-text-v1(\.5|-ablated|-unsupervised)?",
        ("nomic_bert",),
        _NOMIC,
        "nomic-ai/nomic-embed-text-v1.5",
        "apache-2.0",
    ),
    Family(r"mxbai-embed-large-v1", ("bert",), _MXBAI, "mixedbread-ai/mxbai-embed-large-v1", "apache-2.0"),
    Family(
        r"granite-embedding-(small-english|english|97m-multilingual|311m-multilingual)-r2",
        ("modernbert",),
        _GRANITE,
        "ibm-granite/granite-embedding-english-r2",
        "apache-2.0",
    ),
)
