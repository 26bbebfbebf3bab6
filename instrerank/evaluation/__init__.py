"""Measures of trec_eval, and comparison of runs."""
