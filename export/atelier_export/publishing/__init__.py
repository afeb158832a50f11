"""From checkpoints to the model repository."""
