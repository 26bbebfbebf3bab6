"""The one-typo variant of a query that changes an encoder's top ten most."""

import instrerank as ir

topic = ir.load_topics("pocket")[0]
attacked = ir.attack(topic, run="bm25.txt", corpus="pocket", encoder="minilm", candidates=100, seed=1)
[found] = attacked.queries
print(found.clean, "->", found.attacked)
print(attacked.objective, found.before, "->", found.after)
