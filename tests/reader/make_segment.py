"""Writes crates/lifeboat-format/testdata/segment.json: two segments of the commit log,
from docs/format.md alone. It shares no code with the crate that must read them.

    python3 tests/reader/make_segment.py > crates/lifeboat-format/testdata/segment.json
"""
import json
import struct

from blake3 import blake3

PAGE = 512
EPOCH = bytes(range(16))


def page(seed):
    """Bytes that no compressor makes shorter."""
    return blake3(bytes([seed])).digest(length=PAGE)


def segment(number, nonce, previous, first, seen_from, seen_until, flags, mark, commits):
    """commits: (pages as (number, seed), page count or 0, seen at)."""
    pages = [entry for pages, _, _ in commits for entry in pages]
    content = b"".join(page(seed) for _, seed in pages)
    frames = [content] if content else []
    head = b"LIFEBOAT" + bytes([ord("G"), 1, 1, 0]) + struct.pack("<HH", 16, 0)
    index = EPOCH + struct.pack("<Q", number) + bytes([nonce] * 16) + previous
    index += struct.pack("<Qqq", first, seen_from, seen_until)
    index += struct.pack(
        "<8I", PAGE, flags, 0, len(commits), len(pages), len(frames), len(mark), 0
    )
    index += mark
    for its, count, seen in commits:
        index += struct.pack("<IIq", len(its), count, seen)
    for stored in frames:
        units = len(stored) // PAGE
        index += struct.pack("<IHBB", len(stored), units, 0, 0) + blake3(stored).digest()[:16]
    index += b"".join(struct.pack("<I", no) for no, _ in pages)
    trailer = struct.pack("<4I", 16, len(content), len(index), 0)
    trailer += bytes([ord("G"), 1, 1, 0]) + bytes(4) + blake3(index).digest() + b"TAOBEFIL"
    tail = index + trailer
    return head + content + tail, blake3(tail).digest()


NOON = 1_795_262_400_000_000
one, name_of_one = segment(
    1, 1, bytes(32), 7, NOON, NOON + 2_000_000, 0, b"a place in a WAL",
    [
        ([(1, 1), (2, 2)], 2, NOON + 500_000),
        ([(1, 3), (2, 4), (1, 5)], 3, NOON + 500_000),
        ([(3, 6)], 0, NOON + 500_000),
    ],
)
two, name_of_two = segment(
    2, 2, name_of_one, 9, NOON + 2_000_000, NOON + 3_000_000, 2, b"",
    [([(2, 7)], 2, NOON + 2_500_000)],
)
seal, name_of_seal = segment(3, 3, name_of_two, 10, NOON + 3_000_000, NOON + 3_000_000, 1, b"", [])

print(json.dumps({
    "about": "Two segments and a seal, by tests/reader/make_segment.py: database 'app', plain, "
             "pages of 512 bytes. Page images are the first 512 bytes of BLAKE3 of one byte.",
    "segments": [
        {"bytes": one.hex(), "digest": name_of_one.hex()},
        {"bytes": two.hex(), "digest": name_of_two.hex()},
        {"bytes": seal.hex(), "digest": name_of_seal.hex()},
    ],
}, indent=1))
