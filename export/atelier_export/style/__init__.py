"""The style network: training, evaluation, export."""
