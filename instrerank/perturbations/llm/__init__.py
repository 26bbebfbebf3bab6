"""Variants of queries and instructions that a language model writes, recorded and filtered by meaning."""

from instrerank.perturbations.llm.options import LanguageModelOptions
from instrerank.perturbations.llm.variants import LanguageModel

__all__ = ["LanguageModel", "LanguageModelOptions"]
