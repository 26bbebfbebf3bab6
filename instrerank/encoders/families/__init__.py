"""Profiles of model families, prompts, and the folder layouts in which models are published."""
