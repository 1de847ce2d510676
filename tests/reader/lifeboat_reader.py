#!/usr/bin/env python3
"""Lists, restores and verifies plain Lifeboat repositories that lie in a directory.

Written from docs/format.md and sharing no code with Lifeboat: the proof that a backup needs
no Lifeboat to come back. Needs Python 3.9 or newer and the packages blake3 and zstandard.

    lifeboat_reader.py list REPOSITORY [DATABASE]
    lifeboat_reader.py restore REPOSITORY DATABASE latest|ID|BEGINNING-OF-ID TARGET
    lifeboat_reader.py verify REPOSITORY DATABASE

Exit codes: 0 done, 4 damage, 7 no such snapshot, 10 no repository, 1 anything else.
"""
import json
import os
import re
import struct
import sys
import tempfile
import urllib.parse

import zstandard
from blake3 import blake3

FORMAT_VERSION = 1
LOCK_BYTE = 1 << 30
LIMITS = {b"F": 1 << 20, b"R": 64 << 20, b"L": 8 << 20, b"P": 64 << 20}
IMAGE_CONTEXT = "lifeboat 2026 image digest v1"

class Refused(Exception):
    """Why nothing is restored, and the exit code for it."""
    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code

def require(condition, where, what):
    if not condition:
        raise Refused(f"{where} is damaged: {what}", 4)

def hex_of(text, length, where):
    """The text of an id of so many bytes, which is then safe in a path."""
    require(re.fullmatch("[0-9a-f]{%d}" % (2 * length), text), where, "not an id")
    return text

def check_format(where, version, oldest_reader, seal, header_len):
    require(1 <= oldest_reader <= version, where, "versions")
    if oldest_reader > FORMAT_VERSION:
        raise Refused(f"{where} needs a reader of format {oldest_reader}; this is {FORMAT_VERSION}")
    if (seal, header_len) == (1, 96):
        raise Refused(f"{where} is encrypted, and this reader has no keys")
    require((seal, header_len) == (0, 16), where, "seal or length of the header")

def read_object(root, key, kind):
    try:
        with open(os.path.join(root, *key.split("/")), "rb") as file:
            require(os.fstat(file.fileno()).st_size <= LIMITS[kind], key, "too large")
            data = file.read()
    except FileNotFoundError:
        raise Refused(f"{key} is missing", 4) from None
    require(len(data) >= 48 and data[:9] == b"LIFEBOAT" + kind, key, "not what its name says")
    check_format(key, *struct.unpack_from("<BBBI", data, 9))
    return data

def read_control(root, key, kind):
    """The body of a small object, and the digest of the whole object."""
    data = read_object(root, key, kind)
    require(blake3(data[:-32]).digest() == data[-32:], key, "digest")
    return data[16:-32], blake3(data).hexdigest()

def read_format(root):
    newest, k = None, 1
    while os.path.lexists(os.path.join(root, "format", str(k))):
        newest, k = json.loads(read_control(root, f"format/{k}", b"F")[0]), k + 1
    if newest is None:
        raise Refused(f"no repository in {root}", 10)
    if newest["scheme"]["kind"] != "plain":
        raise Refused(f"{root} is {newest['scheme']['kind']}, and this reader has no keys")
    return newest

def key_of_name(name):
    key = urllib.parse.quote(name, safe="").replace("~", "%7E")
    return key.replace(".", "%2E") if name in (".", "..") else key

def are_apart(runs):
    return all(runs) and all(a.stop < b.start for a, b in zip(runs, runs[1:]))

def number_runs(text, where):
    pairs = [run.split("-") for run in text.split(",")] if text else []
    runs = [range(int(pair[0]), int(pair[-1]) + 1) for pair in pairs]
    require(are_apart(runs) and re.fullmatch("[0-9,-]*", text), where, "set of numbers")
    return runs

class Database:
    """The record log of one database, opened at its newest record."""
    def __init__(self, root, info, name):
        self.root, self.info, self.name = root, info, name
        self.folder = f"databases/{key_of_name(name)}"
        self.records = self.folder.replace("%", "%%") + "/records/%020d"
        self.hash_key = bytes.fromhex(info["scheme"]["block_hash_key"])
        newest = self.find_newest()
        self.head = self.record(newest) if newest else {"number": 0, "alive": []}

    def find_newest(self):
        """Gallops, then halves: the numbers are dense. In a directory, a listing is sure too."""
        there = lambda n: os.path.lexists(os.path.join(self.root, self.records % n))
        taken, step = 0, 1
        while there(taken + step):
            taken, step = taken + step, step * 2
        while step > 1:  # The next free number is above `taken`, and at most `step` above.
            step //= 2
            taken += step if there(taken + step) else 0
        folder = os.path.join(self.root, self.folder, "records")
        listed = filter(str.isdigit, os.listdir(folder)) if os.path.isdir(folder) else []
        last = int(max(listed, default=0))
        require(last <= taken, self.records % (taken + 1), f"missing, and number {last} is there")
        return taken

    def record(self, number):
        """The envelope of a proven record, with its body and its own digest added."""
        where = self.records % number
        content, digest = read_control(self.root, where, b"R")
        first, newline, second = content.partition(b"\n")
        record = json.loads(first)
        place = [record["repository"], record["database"], record["number"]]
        require(place == [self.info["repository"], self.name, number], where, "not from here")
        body_digest = blake3(second).hexdigest() if newline else None
        require(record.get("body_digest") == body_digest, where, "digest of the body")
        require((record["kind"] == "snapshot") == bool(newline), where, "body")
        alive = number_runs(record["state"].get("alive", ""), where)
        require(not alive or alive[-1].stop - 1 <= number, where, "state")
        body = json.loads(second) if newline else None
        return {**record, "body": body, "alive": alive, "where": where, "digest": digest}

    def snapshots(self):
        """The records of all living snapshots, the newest generation last."""
        found = [self.record(number) for run in self.head["alive"] for number in run]
        require(all(record["body"] for record in found), self.folder, "alive, but no snapshot")
        return sorted(found, key=lambda r: (r["body"]["generation"], r["number"]))

    def snapshot(self, wanted):
        found = self.snapshots()[-1:] if wanted == "latest" else [
            r for r in self.snapshots() if r["body"]["snapshot_id"].startswith(wanted)]
        if len(found) != 1:
            raise Refused(f"{len(found)} snapshots of {self.name} match {wanted}", 7)
        return found[0]

    def prove_chain(self, lowest):
        """From the newest down, each record names the one before, or knew it to be damaged."""
        above = self.head
        for number in range(self.head["number"] - 1, lowest - 1, -1):
            named = above.get("previous")
            try:
                above = self.record(number)
            except Refused as error:
                if named or error.code != 4:
                    raise
                above = {}
            require(not named or above["digest"] == named, self.records % (number + 1), "chain")

    def packs(self, record):
        """The pack list of a snapshot: rows of id, suffix, size, blocks, index digest."""
        where, reference, base = record["where"], record.get("packs", {}), []
        if "list" in reference:
            where = f"{self.folder}/lists/{hex_of(reference['list']['id'], 16, where)}"
            body, digest = read_control(self.root, where, b"L")
            require(digest == reference["list"]["digest"], where, "not the record's list")
            require(len(body) == 4 + 60 * int.from_bytes(body[:4], "little"), where, "count")
            rows = struct.iter_unpack("<16s4sII32s", body[4:])
            base = [[p.hex(), s.hex(), size, blocks, i.hex()] for p, s, size, blocks, i in rows]
        dropped = set(reference.get("dropped", []))
        packs = [row for row in base if row[0] not in dropped] + reference.get("added", [])
        ids = b"".join(bytes.fromhex(hex_of(row[0], 16, where)) for row in packs)
        listed = blake3(ids).hexdigest() == record["body"]["content"]["packs_digest"]
        require(listed, where, "not the pack ids of the snapshot")
        return packs

    def blocks(self, row, block_size):
        """Proves one pack and yields its blocks: number, bytes."""
        pack, suffix, size, block_count, index_digest = row
        where = f"{self.folder}/packs/{hex_of(pack, 16, 'list')}-{hex_of(suffix, 4, 'list')}"
        data = read_object(self.root, where, b"P")
        require(len(data) == size >= 16 + 64 + 32, where, "length")
        header_len, frames_len, hashes_len, index_len, kind, *versions, zero, magic = (
            struct.unpack("<IIIIcBBBI8s", data[-32:]))
        require((kind, zero, magic) == (b"P", 0, b"TAOBEFIL"), where, "trailer")
        check_format(where, *versions, header_len)
        require(data[8:12] == data[-16:-12], where, "preamble differs from trailer")
        hashes_at, index_at = header_len + frames_len, size - 32 - index_len
        require(hashes_at + hashes_len == index_at and index_len >= 64, where, "lengths")
        require(blake3(data[index_at:]).hexdigest() == index_digest, where, "index digest")
        hashes, index = data[hashes_at:index_at], data[index_at:-32]
        *shape, frame_count, run_count, hashes_digest = struct.unpack_from("<16sIIII32s", index)
        require(shape == [bytes.fromhex(pack), block_size, block_count], where, "not this pack")
        runs_at = 64 + 24 * frame_count
        fits = index_len == runs_at + 8 * run_count and hashes_len == 16 * block_count
        require(fits and blake3(hashes).digest() == hashes_digest, where, "block hashes")
        runs = [range(f, f + n) for f, n in struct.iter_unpack("<II", index[runs_at:])]
        require(are_apart(runs) and sum(map(len, runs)) == block_count, where, "block numbers")
        numbers = (number for run in runs for number in run)
        at, done = header_len, 0
        for frame in struct.iter_unpack("<IHBB16s", index[64:runs_at]):
            stored, at = data[at:at + frame[0]], at + frame[0]
            require(at <= hashes_at and done + frame[1] <= block_count, where, "frames")
            for block in decode_frame(where, stored, frame, block_size):
                digest = blake3(block, key=self.hash_key).digest()[:16]
                require(digest == hashes[16 * done:16 * done + 16], where, "block hash")
                yield next(numbers), block
                done += 1
        require(at == hashes_at and done == block_count, where, "frames")

    def prove_image(self, record, file):
        """Writes the image of a snapshot to an empty file, and proves what lies there."""
        body, where = record["body"], record["where"]
        page_size, pages = body["page_size"], body["page_count"]
        require(page_size in [1 << n for n in range(9, 17)], where, "page size")
        require(0 <= pages <= 0xFFFFFFFE, where, "page count")
        if body["content"]["kind"] == "file":
            raise Refused(f"{body['snapshot_id']} lies in one file, {body['content']['archive']}")
        size, block_size = page_size * pages, max(page_size, 4096)
        count = -(-size // block_size)
        absent = LOCK_BYTE // block_size if page_size >= 4096 and size > LOCK_BYTE else None
        given = 0
        with tempfile.TemporaryFile() as seen:  # One byte for each block, on disk and sparse.
            for row in reversed(self.packs(record)):
                for number, block in self.blocks(row, block_size):
                    newer = os.pread(seen.fileno(), 1, number) == b"1"
                    if number < count and number != absent and not newer:
                        os.pwrite(seen.fileno(), b"1", number)
                        os.pwrite(file.fileno(), block, number * block_size)
                        given += 1
        require(given + (absent is not None) == count, where, f"{given} of {count} blocks")
        file.truncate(size)
        digester = blake3(derive_key_context=IMAGE_CONTEXT)
        for number in range(count):
            block = file.read(block_size).ljust(block_size, b"\0")
            hashed = blake3(block, key=self.hash_key).digest()[:16]
            digester.update(bytes(16) if number == absent else hashed)
        require(digester.hexdigest() == body["image_digest"], where, "image digest")

def decode_frame(where, stored, frame, block_size):
    length, blocks, encoding, zero, digest = frame
    size = blocks * block_size
    require(encoding < 2 and 0 < size <= 256 * 1024 and zero == 0, where, "frame")
    require(len(stored) == length and blake3(stored).digest()[:16] == digest, where, "frame digest")
    if encoding == 1:
        claimed = zstandard.get_frame_parameters(stored).content_size
        require(claimed in (size, zstandard.CONTENTSIZE_UNKNOWN), where, "size of a frame")
        stored = zstandard.ZstdDecompressor().decompress(stored, max_output_size=size)
    require(len(stored) == size, where, "size of a frame")
    return (stored[at:at + block_size] for at in range(0, size, block_size))

def list_snapshots(root, name=None):
    info, folder = read_format(root), os.path.join(root, "databases")
    keys = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in [urllib.parse.unquote(key) for key in keys] if name is None else [name]:
        for record in Database(root, info, name).snapshots():
            row = {key: record["body"][key] for key in ("snapshot_id", "taken_at", "generation")}
            row.update(database=name, number=record["number"], pages=record["body"]["page_count"])
            print(json.dumps({**row, "size": record["body"]["page_size"] * row["pages"]}))

def restore(root, name, wanted, target):
    for path in (target, target + "-journal", target + "-wal", target + "-shm"):
        if os.path.lexists(path):
            raise Refused(f"{path} exists; nothing is ever overwritten")
    database = Database(root, read_format(root), name)
    record = database.snapshot(wanted)
    database.prove_chain(record["number"])
    partial = f"{target}.partial-{os.getpid()}"
    with open(partial, "xb+") as file:
        try:
            database.prove_image(record, file)
            os.fsync(file.fileno())
            os.link(partial, target)  # Unlike a rename, it never replaces a file.
        finally:
            os.unlink(partial)

def verify(root, name):
    database = Database(root, read_format(root), name)
    database.snapshot("latest")  # Nothing to verify is an error.
    database.prove_chain(1)
    for record in database.snapshots():
        with tempfile.TemporaryFile() as scratch:
            database.prove_image(record, scratch)
        print(record["body"]["snapshot_id"])

def main(command="", *rest):
    commands = {("list", 1): list_snapshots, ("list", 2): list_snapshots,
                ("restore", 4): restore, ("verify", 2): verify}
    if (command, len(rest)) not in commands:
        sys.exit(__doc__)
    try:
        commands[command, len(rest)](*rest)
    except (Refused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "code", 1)
    except (LookupError, TypeError, ValueError, struct.error, zstandard.ZstdError) as error:
        print(f"error: a field of an object is not what it must be: {error!r}", file=sys.stderr)
        return 4

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
