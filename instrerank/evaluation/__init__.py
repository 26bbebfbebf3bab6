"""Evaluation measures of trec_eval and ir_measures, and comparison of runs."""
