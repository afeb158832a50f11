"""Bulk work: very many images through one server, resumable, in bounded memory.

The way of an image: a source is listed, looked up in the ledger, read, sent, received, written to
the sink, recorded in the ledger. All of these overlap; how many requests are in flight follows from
the latency of their answers.
"""
