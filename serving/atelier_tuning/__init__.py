"""Measures how a model is best arranged on this machine: instances, threads, batches, delay."""
