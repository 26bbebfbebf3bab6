"""Perturbed query sets, and what each is expected to do to a ranking."""
