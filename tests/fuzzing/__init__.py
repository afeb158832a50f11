"""Fuzzing of what reads a stranger's bytes: inputs that are almost right, by the thousand.

- `targets`: what is fuzzed in the process, and what has to hold for any input.
- `mutations`: how an input is made from another.
- `messages`: requests to a real server that no client would send.
- `corpus/TARGET/`: the inputs that all others are made from; what broke something is kept there.

`python -m fuzzing` (in tests/; `make fuzz`) runs a hundred thousand.
"""
