"""Families whose network exists only as code in the model's own repository: `trust_remote_code` is needed."""

from __future__ import annotations

from instrerank.encoders.families.family import INSTRUCT, INSTRUCT_CLOSE, WEB_SEARCH, Family, reads
from instrerank.encoders.families.profiles import EncoderProfile

_NV_EMBED = EncoderProfile(
    family="nv-embed",
    pooling="mean",
    query_template=INSTRUCT,
    default_instruction=WEB_SEARCH,
    remote_code=True,
    source="arXiv 2405.17428; its latent-attention pooling exists in the repository's code only",
)
_GTE = EncoderProfile(
    family="gte-v1.5",
    pooling="cls",
    max_query_length=8192,
    max_passage_length=8192,
    remote_code=True,
    source="arXiv 2308.03281; instruction after the query is our choice",
)
_GTE_QWEN2 = EncoderProfile(
    family="gte-qwen2",
    pooling="last",
    query_template=INSTRUCT,
    default_instruction=WEB_SEARCH,
    max_query_length=8192,
    max_passage_length=8192,
    end_token="eos",
    remote_code=True,
    source="model card",
)
_INF_RETRIEVER = reads(
    8192,
    _GTE_QWEN2,
    family="inf-retriever",
    source="code yaoyichen/INF-X-Retriever, mteb inf_models.py: made from gte-Qwen2",
)
_ARCTIC = EncoderProfile(
    family="arctic-embed",
    pooling="cls",
    query_template="Represent this sentence for searching relevant passages: {q} {i}",
    max_query_length=2048,
    max_passage_length=2048,
    remote_code=True,
    source="arXiv 2405.05374, model card",
)
_ARCTIC_V2 = EncoderProfile(
    family="arctic-embed-v2",
    pooling="cls",
    query_template="query: {q} {i}",
    max_query_length=8192,
    max_passage_length=8192,
    remote_code=True,
    source="arXiv 2412.04506, model card",
)
_NOMIC_V2 = EncoderProfile(
    family="nomic-embed-v2",
    pooling="mean",
    query_template="search_query: {q} {i}",
    passage_template="search_document: {d}",
    remote_code=True,
    source="arXiv 2502.07972, mteb nomic_models.py; instruction after the query is our choice",
)
_LLAMA_NEMOTRON = EncoderProfile(
    family="llama-embed-nemotron",
    pooling="mean",
    query_template=INSTRUCT,
    default_instruction=WEB_SEARCH,
    max_query_length=4096,
    max_passage_length=4096,
    remote_code=True,
    source="arXiv 2511.07025, mteb nvidia_models.py",
)
_JASPER = EncoderProfile(
    family="jasper",
    pooling="mean",
    query_template=INSTRUCT,
    default_instruction=WEB_SEARCH,
    max_query_length=1024,
    max_passage_length=1024,
    remote_code=True,
    source="arXiv 2511.14405, mteb jasper_models.py; its network shortens long texts before pooling",
)
_QZHOU = EncoderProfile(
    family="qzhou-embedding",
    pooling="mean",
    query_template=INSTRUCT_CLOSE,
    default_instruction=WEB_SEARCH,
    max_query_length=8192,
    max_passage_length=8192,
    remote_code=True,
    source="arXiv 2508.21632, model card: a Qwen2 with attention in both directions",
)
_YOUTU = EncoderProfile(
    family="youtu-embedding",
    pooling="mean",
    query_template="Instruction: {i} \nQuery: {q}",
    default_instruction="Given a search query, retrieve passages that answer the question",
    max_query_length=8192,
    max_passage_length=8192,
    pool_prefix=False,
    remote_code=True,
    source="arXiv 2508.11442, code TencentCloudADP/youtu-embedding: the instruction is not pooled",
)
_REASON_IR = EncoderProfile(
    family="reasonir",
    pooling="mean",
    query_template="<|user|>\n{i}\n<|embed|>\n{q}",
    query_only_template="<|embed|>\n{q}",
    passage_template="<|embed|>\n{d}",
    max_query_length=8192,
    max_passage_length=8192,
    pool_prefix=False,
    begin_token="bos",
    remote_code=True,
    source="arXiv 2504.20595, code facebookresearch/ReasonIR, mteb reasonir_model.py: the form of GritLM",
)
_STELLA = EncoderProfile(
    family="stella-v5",
    pooling="mean",
    query_template=INSTRUCT,
    default_instruction=f"{WEB_SEARCH}.",
    remote_code=True,
    source="arXiv 2412.19048, candle's stella-en-v5 example after the model card",
)
_JINA_V3 = EncoderProfile(
    family="jina-embeddings-v3",
    pooling="mean",
    query_template="Represent the query for retrieving evidence documents: {q} {i}",
    passage_template="Represent the document for retrieval: {d}",
    max_query_length=8192,
    max_passage_length=8192,
    remote_code=True,
    source="arXiv 2409.10173, mteb jina_models.py; instruction after the query is our choice",
)
_JINA_V4 = EncoderProfile(
    family="jina-embeddings-v4",
    pooling="mean",
    query_template="Query: {q} {i}",
    passage_template="Passage: {d}",
    max_query_length=8192,
    max_passage_length=8192,
    remote_code=True,
    source="arXiv 2506.18902, mteb jina_models.py; instruction after the query is our choice",
)
_JINA_V5 = EncoderProfile(
    family="jina-embeddings-v5",
    pooling="last",
    query_template="Query: {q} {i}",
    passage_template="Document: {d}",
    max_query_length=8192,
    max_passage_length=8192,
    remote_code=True,
    source="mteb jina_models.py; instruction after the query is our choice",
)
_RETRIEVAL = ("retrieval.query", "retrieval.passage")

OWN_CODE: tuple[Family, ...] = (
    Family(r"gte-(base|large)-en-v1\.5", ("new",), _GTE, "Alibaba-NLP/gte-base-en-v1.5", "apache-2.0"),
    Family(
        r"gte-qwen2-.*-instruct",
        ("qwen2",),
        _GTE_QWEN2,
        "Alibaba-NLP/gte-Qwen2-7B-instruct",
        "apache-2.0",
        instructed=True,
    ),
    Family(
        r"nv-embed-v[12]", ("nvembed",), _NV_EMBED, "nvidia/NV-Embed-v2", "cc-by-nc-4.0", instructed=True, whole=True
    ),
    Family(
        r"snowflake-arctic-embed-m-long",
        ("nomic_bert",),
        _ARCTIC,
        "Snowflake/snowflake-arctic-embed-m-long",
        "apache-2.0",
    ),
    Family(
        r"snowflake-arctic-embed-m-v2\.0",
        ("gte",),
        _ARCTIC_V2,
        "Snowflake/snowflake-arctic-embed-m-v2.0",
        "apache-2.0",
    ),
    Family(r"nomic-embed-text-v2-moe", (), _NOMIC_V2, "nomic-ai/nomic-embed-text-v2-moe", "apache-2.0"),
    Family(r"inf-retriever-v1(-1\.5b)?", (), _INF_RETRIEVER, "infly/inf-retriever-v1", "apache-2.0", instructed=True),
    Family(
        r"llama-embed-nemotron-8b",
        (),
        _LLAMA_NEMOTRON,
        "nvidia/llama-embed-nemotron-8b",
        "NVIDIA, see its LICENSE",
        instructed=True,
    ),
    Family(
        r"jasper-token-compression-600m",
        (),
        _JASPER,
        "infgrad/Jasper-Token-Compression-600M",
        "mit",
        instructed=True,
        whole=True,
    ),
    Family(r"qzhou-embedding", (), _QZHOU, "Kingsoft-LLM/QZhou-Embedding", "apache-2.0", instructed=True),
    Family(r"youtu-embedding", (), _YOUTU, "tencent/Youtu-Embedding", "apache-2.0", instructed=True),
    Family(r"reasonir-8b", (), _REASON_IR, "reasonir/ReasonIR-8B", "cc-by-nc-4.0", instructed=True),
    Family(r"stella_en_(400m|1\.5b)_v5", (), _STELLA, "NovaSearch/stella_en_1.5B_v5", "mit", instructed=True),
    Family(
        r"jina-embeddings-v3", (), _JINA_V3, "jinaai/jina-embeddings-v3", "cc-by-nc-4.0", whole=True, tasks=_RETRIEVAL
    ),
    Family(
        r"jina-embeddings-v4",
        (),
        _JINA_V4,
        "jinaai/jina-embeddings-v4",
        "cc-by-nc-4.0",
        whole=True,
        tasks=("retrieval", "retrieval"),
    ),
    Family(
        r"jina-embeddings-v5-text-(nano|small)",
        (),
        _JINA_V5,
        "jinaai/jina-embeddings-v5-text-small",
        "cc-by-nc-4.0",
        whole=True,
        tasks=("retrieval", "retrieval"),
    ),
)
