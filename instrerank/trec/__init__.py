"""Text formats of TREC in and out: topics, instructions, runs and qrels, their order and their validation."""
