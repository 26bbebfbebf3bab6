"""What a model reads: profiles of model families, prompts, and the layouts in which models are published."""
