"""Bi-encoders: what each model family expects, and how texts become vectors."""
