"""Training of instruction-following bi-encoders with the InF-Embed objective."""
