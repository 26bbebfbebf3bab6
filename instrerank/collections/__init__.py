"""Where topics, qrels and passage texts come from."""
