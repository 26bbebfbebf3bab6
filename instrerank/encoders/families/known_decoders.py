"""Families of embedding models made from language models, which transformers itself can load."""

from __future__ import annotations

from dataclasses import replace

from instrerank.encoders.families.family import INSTRUCT, INSTRUCT_CLOSE, WEB_SEARCH, Family, reads
from instrerank.encoders.families.profiles import EncoderProfile

_E5_MISTRAL = EncoderProfile(
    family="e5-mistral",
    pooling="last",
    query_template=INSTRUCT,
    default_instruction=WEB_SEARCH,
    max_query_length=4096,
    max_passage_length=4096,
    begin_token="bos",
    end_token="eos",
    source="arXiv 2401.00368, model card; transformers 5 leaves the end token out (mteb#5237)",
)
# as its code has it: the text's own last token, no end token put behind it
_INF_EMBED = EncoderProfile(
    family="inf-embed",
    pooling="last",
    max_query_length=256,
    source="arXiv 2505.21439, code night-chen/InF_Embed",
)
_BGE_LLM = EncoderProfile(
    family="bge-llm",
    pooling="last",
    query_template="<instruct>{i}\n<query>{q}",
    default_instruction=WEB_SEARCH,
    begin_token="bos",
    end_token="eos",
    source="model cards of bge-en-icl and bge-multilingual-gemma2",
)
_QWEN3 = EncoderProfile(
    family="qwen3-embedding",
    pooling="last",
    query_template=INSTRUCT_CLOSE,
    default_instruction=WEB_SEARCH,
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
_LINQ = replace(
    _E5_MISTRAL,
    family="linq-embed",
    source="mteb linq_models.py, FlagEmbedding model_mapping.py: the recipe of e5-mistral",
)
_SFR = replace(
    _E5_MISTRAL,
    family="sfr-embedding",
    source="mteb salesforce_models.py, FlagEmbedding model_mapping.py: the recipe of e5-mistral",
)
_HARRIER = EncoderProfile(
    family="harrier",
    pooling="last",
    query_template=INSTRUCT,
    default_instruction=WEB_SEARCH,
    max_query_length=32768,
    max_passage_length=32768,
    source="model card; mteb harrier_models.py leaves out the space after `Query:`",
)
_F2LLM = EncoderProfile(
    family="f2llm",
    pooling="last",
    query_template=INSTRUCT,
    default_instruction="Given a question, retrieve passages that can help answer the question.",
    max_query_length=8192,
    max_passage_length=8192,
    end_token="eos",
    source="arXiv 2510.02294 and 2603.19223, mteb codefuse_models.py",
)
_BGE_REASONER = EncoderProfile(
    family="bge-reasoner",
    pooling="last",
    query_template=INSTRUCT,
    default_instruction=WEB_SEARCH,
    max_query_length=8192,
    max_passage_length=8192,
    source="arXiv 2510.08252, FlagEmbedding model_mapping.py",
)
# fine-tuned from Qwen3-Embedding, whose tokenizer itself puts the end token behind the text
_DIVER = replace(_QWEN3, family="diver-retriever", end_token=None, source="arXiv 2508.07995, mteb aq_medai_models.py")
_RTRIEVER = replace(_QWEN3, family="rtriever", end_token=None, source="mteb yale_nlp_models.py")
_OCTEN = reads(
    18480,
    _QWEN3,
    family="octen-embedding",
    passage_template=" {d}",
    end_token=None,
    source="mteb octen_models.py: one space before a passage",
)
_KALM = EncoderProfile(
    family="kalm-embedding-v2",
    pooling="mean",
    query_template="Instruct: {i} \n Query: {q}",
    default_instruction="Given a query, retrieve documents that answer the query",
    bidirectional=True,
    source="arXiv 2506.20923 (attention in both directions), mteb kalm_models.py: spaces around the line break",
)
_EMBEDDING_GEMMA = EncoderProfile(
    family="embeddinggemma",
    pooling="mean",
    query_template="task: search result | query: {q} {i}",
    passage_template="title: none | text: {d}",
    max_query_length=2048,
    max_passage_length=2048,
    source="model card; its config.json asks for attention in both directions; instruction after the query is our "
    "choice",
)
_NEMOTRON = EncoderProfile(
    family="nemotron-3-embed",
    pooling="mean",
    query_template="query: {q} {i}",
    passage_template="passage: {d}",
    max_query_length=4096,
    max_passage_length=4096,
    bidirectional=True,
    source="NeMo AutoModel (Ministral3 with attention in both directions, mean pooling), mteb nvidia_models.py and "
    "most_embed_models.py (prefixes); instruction after the query is our choice",
)

DECODERS: tuple[Family, ...] = (
    Family(
        r"e5-mistral-7b-instruct",
        ("mistral",),
        _E5_MISTRAL,
        "intfloat/e5-mistral-7b-instruct",
        "mit",
        instructed=True,
    ),
    Family(
        r".*inf-?embed.*",
        ("llama", "mistral", "qwen2", "qwen3"),
        _INF_EMBED,
        instructed=True,
    ),
    Family(r"bge-en-icl", ("mistral",), _BGE_LLM, "BAAI/bge-en-icl", "apache-2.0", instructed=True),
    Family(
        r"bge-multilingual-gemma2",
        ("gemma2",),
        _BGE_LLM,
        "BAAI/bge-multilingual-gemma2",
        "gemma",
        instructed=True,
    ),
    Family(r"qwen3-embedding-.*", ("qwen3",), _QWEN3, "Qwen/Qwen3-Embedding-0.6B", "apache-2.0", instructed=True),
    Family(
        r"gritlm-(7b|8x7b)(-kto)?",
        ("mistral", "mixtral"),
        _GRITLM,
        "GritLM/GritLM-7B",
        "apache-2.0",
        instructed=True,
    ),
    Family(r"repllama-.*", ("llama",), _REPLLAMA, "castorini/repllama-v1-7b-lora-passage", "apache-2.0"),
    Family(
        r"promptriever-.*",
        ("llama", "mistral"),
        _PROMPTRIEVER,
        "samaya-ai/promptriever-llama2-7b-v1",
        "apache-2.0",
        instructed=True,
    ),
    Family(
        r"linq-embed-mistral",
        ("mistral",),
        _LINQ,
        "Linq-AI-Research/Linq-Embed-Mistral",
        "cc-by-nc-4.0",
        instructed=True,
    ),
    Family(
        r"sfr-embedding-(mistral|2_r)",
        ("mistral",),
        _SFR,
        "Salesforce/SFR-Embedding-Mistral",
        "cc-by-nc-4.0",
        instructed=True,
    ),
    Family(
        r"harrier-oss-v1-(270m|0\.6b|27b)",
        ("gemma3_text", "qwen3"),
        _HARRIER,
        "microsoft/harrier-oss-v1-0.6b",
        "mit",
        instructed=True,
    ),
    Family(
        r"f2llm-(v2-)?\d+(\.\d+)?[mb]", ("qwen3",), _F2LLM, "codefuse-ai/F2LLM-v2-0.6B", "apache-2.0", instructed=True
    ),
    Family(
        r"bge-reasoner-embed-qwen3-8b(-\d+)?",
        ("qwen3",),
        _BGE_REASONER,
        "BAAI/bge-reasoner-embed-qwen3-8b-0923",
        instructed=True,
    ),
    Family(r"diver-retriever-.*", ("qwen3",), _DIVER, "AQ-MedAI/Diver-Retriever-4B", "apache-2.0", instructed=True),
    Family(r"rtriever-4b", ("qwen3",), _RTRIEVER, "yale-nlp/RTriever-4B", "mit", instructed=True),
    Family(
        r"octen-embedding-(0\.6b|4b|8b)",
        ("qwen3",),
        _OCTEN,
        "Octen/Octen-Embedding-4B",
        "apache-2.0",
        instructed=True,
    ),
    Family(
        r"kalm-embedding-multilingual-mini-instruct-v2",
        ("qwen2",),
        _KALM,
        "HIT-TMG/KaLM-embedding-multilingual-mini-instruct-v2",
        "mit",
        instructed=True,
    ),
    Family(
        r"kalm-embedding-multilingual-mini-instruct-v2\.5",
        ("qwen2",),
        replace(_KALM, family="kalm-embedding-v2.5"),
        "KaLM-Embedding/KaLM-embedding-multilingual-mini-instruct-v2.5",
        "apache-2.0",
        instructed=True,
    ),
    Family(
        r"embeddinggemma-300m(-qat-.*)?", ("gemma3_text",), _EMBEDDING_GEMMA, "google/embeddinggemma-300m", "gemma"
    ),
    Family(
        r"nemotron-3-embed-(1b|8b)-bf16",
        ("ministral3",),
        _NEMOTRON,
        "nvidia/Nemotron-3-Embed-1B-BF16",
        "openmdw-1.1",
    ),
)
