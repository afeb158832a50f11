"""Inputs made from others: the usual mutations of a fuzzer, from a seed."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
INTERESTING = (
    b"\0", b"\xff", b"\0\0", b"\xff\xff", b"\x7f\xff", b"\x80\0", b"\0\0\0\0", b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"-1", b"1e999", b"NaN", b"null", b"99999999999999999999",
    b"\xed\xa0\x80", b"\\ud800", b"\xe2\x80\xae", b",", b":", b'"', b"{", b"[",
)  # fmt: skip
MOST_BYTES = 1 << 16


def corpus(target: str) -> list[bytes]:
    """The kept inputs of a target, in the order of their names."""
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def inputs(kept: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """The kept inputs, and as many made from them as are missing to `count`; the same each time."""
    yield from kept[:count]
    rng = random.Random(seed)
    for _ in range(count - len(kept)):
        yield mutated(rng.choice(kept), kept, rng)


def mutated(data: bytes, kept: Sequence[bytes], rng: random.Random) -> bytes:
    """An input that differs from another in one to eight places."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(len(changed) + 1)
        # Half of them in the first bytes, where headers are.
        at = min(at, rng.randrange(64)) if rng.random() < 0.5 else at
        end = min(len(changed), at + rng.choice((1, 2, 4, 16, 256)))
        match rng.randrange(8):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at:end]
            case 2:
                changed[at:at] = changed[at:end]
            case 3:
                piece = rng.choice(INTERESTING)
                changed[at : at + len(piece)] = piece
            case 4:
                changed[at:at] = rng.choice(INTERESTING)
            case 5:
                changed[at:end] = rng.randbytes(end - at)
            case 6:
                other = rng.choice(kept)
                start = rng.randrange(len(other) + 1)
                changed[at:end] = other[start : start + end - at]
            case 7:
                del changed[at:]
    return bytes(changed[:MOST_BYTES])
