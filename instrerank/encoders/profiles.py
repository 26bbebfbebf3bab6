"""What each model family expects of its input: templates, pooling, lengths, end token. Nothing is guessed.

A profile is found by the model's name *and* the kind of network in its `config.json`; a folder in the
sentence-transformers layout brings its own; any other model needs the flags that the error names.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from instrerank.errors import InputError

PoolingMode = Literal["mean", "cls", "last", "max", "weightedmean", "mean_sqrt_len"]
POOLING_MODES: tuple[str, ...] = get_args(PoolingMode)

PROFILE_FILE = "instrerank.json"
"""A checkpoint's own profile, beside its weights: what it was trained with, so that nobody has to say it again."""

WEB_SEARCH_TASK = "Given a web search query, retrieve relevant passages that answer the query"
"""The task line of E5-instruct's, E5-mistral's and Qwen3-Embedding's model cards, for queries without instruction."""


@dataclass(frozen=True)
class EncoderProfile:
    r"""How one model family reads queries and passages. Templates are literal: no space is added or removed.

    Attributes:
        family: name of the family, as shown to users and written to the run's metadata.
        pooling: how token states become one vector; several modes are concatenated.
        query_template: text of a query, with `{query}` and, where instructions are possible, `{instruction}`;
            `{?}` stands for a question mark where the query ends without punctuation.
        passage_template: text of a passage, with `{passage}`.
        default_instruction: taken where a query has none; "" where the template can do without.
        max_query_length: tokens of a query text, special tokens included.
        max_passage_length: tokens of a passage text, special tokens included.
        normalize: L2-normalise, so that the dot product is the cosine; False for models trained for dot products.
        pool_prefix: False: the tokens before the text are attended to, not pooled (INSTRUCTOR, GritLM).
        begin_token: token that must come first ("bos": the tokenizer's own), put there if it is missing.
        end_token: token that must come last ("eos": the tokenizer's own), put there if it is missing.
        bidirectional: a decoder used without its causal mask (GritLM).
        remote_code: the network exists only as code in the model's repository.
        query_encoding: "concatenation" (one text) or "attention" (instruction-query attention, InF-Embed).
        source: where these facts come from.
    """

    family: str
    pooling: PoolingMode | tuple[PoolingMode, ...]
    query_template: str = "{query} {instruction}"
    passage_template: str = "{passage}"
    default_instruction: str = ""
    max_query_length: int = 512
    max_passage_length: int = 512
    normalize: bool = True
    pool_prefix: bool = True
    begin_token: str | None = None
    end_token: str | None = None
    bidirectional: bool = False
    remote_code: bool = False
    query_encoding: Literal["concatenation", "attention"] = "concatenation"
    source: str = ""

    @property
    def pooling_modes(self) -> tuple[PoolingMode, ...]:
        """The pooling modes as a tuple, one in all published families."""
        return (self.pooling,) if isinstance(self.pooling, str) else self.pooling

    def __post_init__(self) -> None:
        wrong = [mode for mode in self.pooling_modes if mode not in POOLING_MODES]
        if wrong or not self.pooling_modes:
            raise InputError(
                f"unknown pooling {', '.join(wrong) or '(none)'}: choose from {', '.join(POOLING_MODES)}"
            )
        for name, field in (("query_template", "{query}"), ("passage_template", "{passage}")):
            template = getattr(self, name)
            if template.count(field) != 1 or template.count("{instruction}") > (name == "query_template"):
                raise InputError(
                    f"{name} {template!r} must contain {field} once"
                    + (
                        " and {instruction} at most once"
                        if name == "query_template"
                        else " and no {instruction}"
                    )
                )
        for name in ("max_query_length", "max_passage_length"):
            if getattr(self, name) < 4:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 4 tokens")


class _Family(NamedTuple):
    names: str
    """Pattern of the model's name without its organisation, matched whole, case ignored."""
    networks: frozenset[str]
    """`model_type` of `config.json`: a name alone proves nothing."""
    profile: EncoderProfile


def _family(names: str, networks: str, profile: EncoderProfile) -> _Family:
    return _Family(names, frozenset(networks.split()), profile)


_E5 = EncoderProfile(
    "e5",
    "mean",
    "query: {query} {instruction}",
    "passage: {passage}",
    source="arXiv 2212.03533; instruction after the query as in orionw/FollowIR",
)
_INSTRUCT = "Instruct: {instruction}\nQuery: {query}"
_BGE_QUERY = "Represent this sentence for searching relevant passages: {query} {instruction}"
_INF_EMBED = EncoderProfile(
    "inf-embed", "mean", max_query_length=256, source="arXiv 2505.21439, code night-chen/InF_Embed"
)
_E5_MISTRAL = EncoderProfile(
    "e5-mistral",
    "last",
    _INSTRUCT,
    default_instruction=WEB_SEARCH_TASK,
    max_query_length=4096,
    max_passage_length=4096,
    begin_token="bos",
    end_token="eos",
    source="arXiv 2401.00368, model card",
)
_BGE_LLM = replace(
    _E5_MISTRAL,
    family="bge-llm",
    query_template="<instruct>{instruction}\n<query>{query}",
    max_query_length=512,
    max_passage_length=512,
    source="model cards of bge-en-icl and bge-multilingual-gemma2",
)
_GTE = EncoderProfile("gte", "mean", source="arXiv 2308.03281")
_LONG = {"max_query_length": 8192, "max_passage_length": 8192}
_REPLLAMA = EncoderProfile(
    "repllama",
    "last",
    "query:  {query} {instruction}",
    "passage:  {passage}",
    begin_token="bos",
    end_token="eos",
    source="arXiv 2310.08319, mteb repllama_models.py (two spaces after the colon)",
)
_ARCTIC = EncoderProfile("arctic-embed", "cls", _BGE_QUERY, source="arXiv 2405.05374, model card")

FAMILIES: tuple[_Family, ...] = (
    _family(r"e5-(small|base|large)(-v2|-unsupervised)?", "bert", _E5),
    _family(
        r"multilingual-e5-(small|base|large)", "bert xlm-roberta", replace(_E5, family="multilingual-e5")
    ),
    _family(
        r"multilingual-e5-large-instruct",
        "xlm-roberta",
        EncoderProfile(
            "e5-instruct",
            "mean",
            _INSTRUCT,
            default_instruction=WEB_SEARCH_TASK,
            source="arXiv 2402.05672",
        ),
    ),
    _family(r"e5-mistral-7b-instruct", "mistral", _E5_MISTRAL),
    _family(r".*inf-?embed.*", "bert", _INF_EMBED),
    _family(r".*inf-?embed.*", "modernbert", replace(_INF_EMBED, pooling="cls")),
    _family(
        r".*inf-?embed.*", "llama mistral qwen2 qwen3", replace(_INF_EMBED, pooling="last", end_token="eos")
    ),
    _family(
        r"bge-(small|base|large)-en(-v1\.5)?",
        "bert",
        EncoderProfile(
            "bge",
            "cls",
            _BGE_QUERY,
            source="arXiv 2309.07597, model card; instruction after the query is our choice",
        ),
    ),
    _family(
        r"bge-m3",
        "xlm-roberta",
        EncoderProfile("bge-m3", "cls", **_LONG, source="arXiv 2402.03216, dense part"),
    ),
    _family(r"bge-en-icl", "mistral", _BGE_LLM),
    _family(r"bge-multilingual-gemma2", "gemma2", _BGE_LLM),
    _family(r"gte-(small|base|large)", "bert", _GTE),
    _family(
        r"gte-modernbert-base", "modernbert", replace(_GTE, family="gte-modernbert", pooling="cls", **_LONG)
    ),
    _family(
        r"gte-(base|large)-en-v1\.5",
        "new",
        replace(
            _GTE,
            family="gte-v1.5",
            pooling="cls",
            **_LONG,
            remote_code=True,
        ),
    ),
    _family(
        r"gte-qwen2-.*-instruct",
        "qwen2",
        replace(
            _E5_MISTRAL,
            family="gte-qwen2",
            begin_token=None,
            **_LONG,
            remote_code=True,
            source="model card",
        ),
    ),
    _family(
        r"nv-embed-v[12]",
        "nvembed",
        EncoderProfile(
            "nv-embed",
            "mean",
            _INSTRUCT,
            default_instruction=WEB_SEARCH_TASK,
            remote_code=True,
            source="arXiv 2405.17428 (latent attention pooling, in the repository's code only)",
        ),
    ),
    _family(
        r"instructor-(base|large|xl)",
        "t5",
        EncoderProfile(
            "instructor",
            "mean",
            "{instruction}{query}",
            "Represent the Wikipedia document for retrieval: {passage}",
            default_instruction="Represent the Wikipedia question for retrieving supporting documents: ",
            pool_prefix=False,
            source="arXiv 2212.09741, code xlang-ai/instructor-embedding",
        ),
    ),
    _family(
        r"qwen3-embedding-.*",
        "qwen3",
        EncoderProfile(
            "qwen3-embedding",
            "last",
            "Instruct: {instruction}\nQuery:{query}",
            default_instruction=WEB_SEARCH_TASK,
            **_LONG,
            end_token="<|endoftext|>",
            source="arXiv 2506.05176, model card (no space after `Query:`)",
        ),
    ),
    _family(
        r"gritlm-7b(-kto)?",
        "mistral",
        EncoderProfile(
            "gritlm",
            "mean",
            "<|user|>\n{instruction}\n<|embed|>\n{query}",
            "<|embed|>\n{passage}",
            max_query_length=512,
            max_passage_length=2048,
            pool_prefix=False,
            begin_token="bos",
            bidirectional=True,
            source="arXiv 2402.09906, code ContextualAI/gritlm (embedding mode: attention in both directions)",
        ),
    ),
    _family(
        r"(m?contriever(-msmarco)?)",
        "bert",
        EncoderProfile(
            "contriever",
            "mean",
            normalize=False,
            source="arXiv 2112.09118, dot product",
        ),
    ),
    _family(
        r"(msmarco-)?distilbert-(base-tas-b|dot-tas_b-b256-msmarco)",
        "distilbert",
        EncoderProfile(
            "tas-b",
            "cls",
            normalize=False,
            source="arXiv 2104.06967, dot product",
        ),
    ),
    _family(
        r"modernbert-(base|large)",
        "modernbert",
        EncoderProfile(
            "modernbert",
            "cls",
            source="arXiv 2412.13663: a masked language model, near useless before training",
        ),
    ),
    _family(r"repllama-.*", "llama", _REPLLAMA),
    _family(
        r"promptriever-.*",
        "llama mistral",
        replace(
            _REPLLAMA,
            family="promptriever",
            query_template="query:  {query}{?} {instruction}",
            source="arXiv 2409.11136, mteb promptriever_models.py",
        ),
    ),
    _family(r"snowflake-arctic-embed-(xs|s|m|l|m-v1\.5)", "bert", _ARCTIC),
    _family(
        r"snowflake-arctic-embed-l-v2\.0",
        "xlm-roberta",
        replace(
            _ARCTIC,
            family="arctic-embed-v2",
            query_template="query: {query} {instruction}",
            **_LONG,
            source="arXiv 2412.04506, model card",
        ),
    ),
    _family(r"snowflake-arctic-embed-(m-long|m-v2\.0)", "nomic_bert gte", replace(_ARCTIC, remote_code=True)),
)
"""Every family this project knows, each with its source; the first that matches name and network is taken."""


def match_profile(name: str, config: dict[str, Any]) -> EncoderProfile | None:
    """Return the profile of a published model, or None where name or network is unknown.

    Args:
        name: model id or folder; a folder of the hub's cache counts as its id.
        config: the model's `config.json`.
    """
    cached = re.search(r"models--([^/\\]+)[/\\]snapshots[/\\]", name)
    base = (cached[1].split("--")[-1] if cached else Path(name).name).lower()
    for family in FAMILIES:
        if re.fullmatch(family.names, base) and config.get("model_type") in family.networks:
            return family.profile
    return None


def read_profile(folder: Path) -> EncoderProfile | None:
    """Return the profile that a checkpoint carries in `instrerank.json`, or None.

    Raises:
        InputError: the file is there and is not a profile.
    """
    path = folder / PROFILE_FILE
    if not path.is_file():
        return None
    try:
        fields = json.loads(path.read_text("utf-8"))
        if isinstance(fields.get("pooling"), list):
            fields["pooling"] = tuple(fields["pooling"])
        return EncoderProfile(**fields)
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not an encoder profile: {error}") from error
