"""Bi-encoders: what each model family expects, and how texts become vectors."""

from instrerank.encoders.cascade import Cascade, load_cascade
from instrerank.encoders.encoder import Encoded, Encoder
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.loading import load_encoder
from instrerank.encoders.pointwise import PairScorer, load_pair_scorer

__all__ = [
    "Cascade",
    "Encoded",
    "Encoder",
    "EncoderProfile",
    "PairScorer",
    "load_cascade",
    "load_encoder",
    "load_pair_scorer",
]
