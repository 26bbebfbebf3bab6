"""Profiles of published model families, each with its source. Both name *and* network must match."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.encoders.families.profiles import EncoderProfile


class Family(NamedTuple):
    """Models that share a profile.

    Attributes:
        names: pattern of the model's name without its organisation; the whole name must match, ignoring case.
        networks: permitted values of `model_type` in `config.json`.
        profile: their profile.
    """

    names: str
    networks: tuple[str, ...]
    profile: EncoderProfile


def _reads(tokens: int, profile: EncoderProfile, **changes: Any) -> EncoderProfile:
    return replace(profile, max_query_length=tokens, max_passage_length=tokens, **changes)


_INSTRUCT = "Instruct: {i}\nQuery: {q}"
_WEB_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
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
    query_template=_INSTRUCT,
    default_instruction=_WEB_SEARCH,
    source="arXiv 2402.05672, model card",
)
_E5_MISTRAL = EncoderProfile(
    family="e5-mistral",
    pooling="last",
    query_template=_INSTRUCT,
    default_instruction=_WEB_SEARCH,
    max_query_length=4096,
    max_passage_length=4096,
    begin_token="bos",
    end_token="eos",
    source="arXiv 2401.00368, model card; transformers 5 leaves the end token out (mteb#5237)",
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
_BGE_LLM = EncoderProfile(
    family="bge-llm",
    pooling="last",
    query_template="<instruct>{i}\n<query>{q}",
    default_instruction=_WEB_SEARCH,
    begin_token="bos",
    end_token="eos",
    source="model cards of bge-en-icl and bge-multilingual-gemma2",
)
_GTE = EncoderProfile(
    family="gte",
    pooling="mean",
    source="arXiv 2308.03281; instruction after the query is our choice",
)
_NV_EMBED = EncoderProfile(
    family="nv-embed",
    pooling="mean",
    query_template=_INSTRUCT,
    default_instruction=_WEB_SEARCH,
    remote_code=True,
    source="arXiv 2405.17428; its latent-attention pooling exists in the repository's code only",
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
_QWEN3 = EncoderProfile(
    family="qwen3-embedding",
    pooling="last",
    query_template="Instruct: {i}\nQuery:{q}",
    default_instruction=_WEB_SEARCH,
    max_query_length=8192,
    max_passage_length=8192,
    end_token="<|endoftext|>",
    source="arXiv 2506.05176, model card: no space after `Query:`",
)
_GRITLM = EncoderProfile(
    family="gritlm",
    pooling="mean",
    query_template="<|user|>\n{i}\n<|embed|>\n{q}",
    query_only_template="<|embed|>\n{q}",
    passage_template="<|embed|>\n{d}",
    max_passage_length=2048,
    pool_prefix=False,
    begin_token="bos",
    bidirectional=True,
    source="arXiv 2402.09906, code ContextualAI/gritlm: attention in both directions when embedding",
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
_REPLLAMA = EncoderProfile(
    family="repllama",
    pooling="last",
    query_template="query:  {q} {i}",
    passage_template="passage:  {d}",
    begin_token="bos",
    end_token="eos",
    source="arXiv 2310.08319, mteb repllama_models.py: two spaces after the colon",
)
_PROMPTRIEVER = replace(
    _REPLLAMA,
    family="promptriever",
    query_template="query:  {q}{?} {i}",
    source="arXiv 2409.11136, mteb promptriever_models.py and repllama_models.py",
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

FAMILIES: tuple[Family, ...] = (
    Family(r"e5-(small|base|large)(-v2|-unsupervised)?", ("bert",), _E5),
    Family(r"multilingual-e5-(small|base|large)", ("bert", "xlm-roberta"), replace(_E5, family="multilingual-e5")),
    Family(r"multilingual-e5-large-instruct", ("xlm-roberta",), _E5_INSTRUCT),
    Family(r"e5-mistral-7b-instruct", ("mistral",), _E5_MISTRAL),
    Family(r".*inf-?embed.*", ("bert",), _INF_EMBED),
    Family(r".*inf-?embed.*", ("modernbert",), replace(_INF_EMBED, pooling="cls")),
    # as its code has it: the text's own last token, no end token put behind it
    Family(r".*inf-?embed.*", ("llama", "mistral", "qwen2", "qwen3"), replace(_INF_EMBED, pooling="last")),
    Family(r"bge-(small|base|large)-en(-v1\.5)?", ("bert",), _BGE),
    Family(r"bge-m3", ("xlm-roberta",), _BGE_M3),
    Family(r"bge-en-icl", ("mistral",), _BGE_LLM),
    Family(r"bge-multilingual-gemma2", ("gemma2",), _BGE_LLM),
    Family(r"gte-(small|base|large)", ("bert",), _GTE),
    Family(r"gte-modernbert-base", ("modernbert",), _reads(8192, _GTE, family="gte-modernbert", pooling="cls")),
    Family(
        r"gte-(base|large)-en-v1\.5",
        ("new",),
        _reads(8192, _GTE, family="gte-v1.5", pooling="cls", remote_code=True),
    ),
    Family(
        r"gte-qwen2-.*-instruct",
        ("qwen2",),
        _reads(8192, _E5_MISTRAL, family="gte-qwen2", begin_token=None, remote_code=True, source="model card"),
    ),
    Family(r"nv-embed-v[12]", ("nvembed",), _NV_EMBED),
    Family(r"instructor-(base|large|xl)", ("t5",), _INSTRUCTOR),
    Family(r"qwen3-embedding-.*", ("qwen3",), _QWEN3),
    Family(r"gritlm-7b(-kto)?", ("mistral",), _GRITLM),
    Family(r"m?contriever(-msmarco)?", ("bert",), _CONTRIEVER),
    Family(r"distilbert-dot-tas_b-b256-msmarco|msmarco-distilbert-base-tas-b", ("distilbert",), _TAS_B),
    Family(r"modernbert-(base|large)", ("modernbert",), _MODERNBERT),
    Family(r"repllama-.*", ("llama",), _REPLLAMA),
    Family(r"promptriever-.*", ("llama", "mistral"), _PROMPTRIEVER),
    Family(r"snowflake-arctic-embed-(xs|s|m|l|m-v1\.5)", ("bert",), _ARCTIC),
    Family(r"snowflake-arctic-embed-m-long", ("nomic_bert",), _reads(2048, _ARCTIC, remote_code=True)),
    Family(r"snowflake-arctic-embed-l-v2\.0", ("xlm-roberta",), _ARCTIC_V2),
    Family(r"snowflake-arctic-embed-m-v2\.0", ("gte",), replace(_ARCTIC_V2, remote_code=True)),
)
"""All known families; the first that matches name and network applies."""


def match_family(name: str, config: dict[str, Any]) -> EncoderProfile | None:
    """Return the profile of a published model, or None if name or network is unknown.

    Args:
        name: model id or folder; a folder in the hub's cache counts as its id.
        config: the model's `config.json`.
    """
    cached = re.search(r"models--([^/\\]+)[/\\]snapshots[/\\]", name)
    base = (cached[1].split("--")[-1] if cached else Path(name).name).lower()
    for family in FAMILIES:
        if re.fullmatch(family.names, base) and config.get("model_type") in family.networks:
            return family.profile
    return None
