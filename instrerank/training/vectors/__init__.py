"""Query-side adapters trained on vectors: what a query's vector should be is arithmetic of the base's vectors."""
