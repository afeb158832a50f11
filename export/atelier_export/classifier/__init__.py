"""The classifier of paintings: training, evaluation, export."""
