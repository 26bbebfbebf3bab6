"""Vectors on disk: shards, the index of their texts, and what a store holds."""
