"""The style network: training, evaluation, export, and the optimisation that it replaces."""
