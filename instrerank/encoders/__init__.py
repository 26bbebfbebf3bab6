"""Encoders: what each model family reads, and how texts become vectors or scores."""

from instrerank.encoders.biencoder import BiEncoder
from instrerank.encoders.cascade import Cascade
from instrerank.encoders.encoded import Encoded
from instrerank.encoders.encoder import Encoder
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.loading import load_encoder
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.pairs import PairScorer
from instrerank.encoders.scorers import load_scorer

__all__ = [
    "BiEncoder",
    "Cascade",
    "Encoded",
    "Encoder",
    "EncoderProfile",
    "LoadOptions",
    "PairScorer",
    "load_encoder",
    "load_scorer",
]
