#!/usr/bin/env python3
"""Lists, restores and verifies Lifeboat repositories that lie in a directory.

Written from docs/format.md and sharing no code with Lifeboat: the proof that a backup needs
no Lifeboat to come back. Needs lifeboat_objects.py beside it, Python 3.9 or newer, the packages
blake3 and zstandard, and for what is encrypted cryptography (44 or newer for passphrases).
The key is taken from LIFEBOAT_KEY, or the passphrase from LIFEBOAT_PASSPHRASE.

    lifeboat_reader.py list REPOSITORY [DATABASE]
    lifeboat_reader.py restore REPOSITORY DATABASE latest|ID|BEGINNING-OF-ID TARGET
    lifeboat_reader.py verify REPOSITORY DATABASE
    lifeboat_reader.py decrypt FILE TARGET

Exit codes: 0 done, 4 damage, 7 no such snapshot, 10 no repository, 12 no key or the wrong one,
1 anything else.
"""
import json
import os
import re
import struct
import sys
import tempfile
import urllib.parse
from contextlib import contextmanager

import zstandard
from blake3 import blake3
from lifeboat_objects import (
    FRAMES, HASHES, INDEX, MALFORMED, Refused, Repository, archive_head, chunks, hex_of, names_in,
    pieces, require, single_file, unzipped)

LOCK_BYTE = 1 << 30
IMAGE_CONTEXT = "lifeboat 2026 image digest v1"

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
    def __init__(self, repository, name):
        self.repository, self.name, self.head = repository, name, {"number": 0, "alive": []}
        self.folder = f"databases/{key_of_name(name)}"
        self.records = self.folder.replace("%", "%%") + "/records/%020d"
        listed = set(filter(str.isdigit, names_in(repository.root, self.folder, "records")))
        for number in range(1, len(listed) + 1):  # In a directory, a listing is sure.
            require("%020d" % number in listed, self.records % number, "missing in the log")
        self.head = self.record(len(listed)) if listed else self.head

    def record(self, number):
        """The envelope of a proven record, with its body and its own digest added."""
        where = self.records % number
        content, digest = self.repository.control(where, b"R", self.name)
        first, newline, second = content.partition(b"\n")
        record = json.loads(first)
        place = [record["repository"], record["database"], record["number"]]
        require(place == [self.repository.id, self.name, number], where, "not from here")
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
        require(len(found) == 1, self.name, f"has {len(found)} snapshots called {wanted}", 7)
        return found[0]

    def prove_chain(self, lowest):
        """From the newest down, each record names the one before, or knew it to be damaged, or
        one above says that it was given up."""
        above, given_up = self.head, []
        for number in range(self.head["number"] - 1, lowest - 1, -1):
            named = above.get("previous")
            if above.get("kind") == "mend":
                given_up += number_runs(above.get("subject", ""), above["where"])
            try:
                above = self.record(number)
            except Refused as error:
                is_given_up = any(number in run for run in given_up)
                if error.code != 4 or named and not is_given_up:
                    raise
                above, named = {}, None
            require(not named or above["digest"] == named, self.records % (number + 1), "chain")

    def packs(self, record):
        """The pack list of a snapshot: rows of id, suffix, size, blocks, index digest."""
        where, reference, base = record["where"], record.get("packs", {}), []
        if "list" in reference:
            list_id = hex_of(reference["list"]["id"], 16, where)
            where = f"{self.folder}/lists/{list_id}"
            body, digest = self.repository.control(where, b"L", self.name, bytes.fromhex(list_id))
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
        data, at = self.repository.read(where, b"P")
        require(len(data) == size >= at + 64 + 32, where, "length")
        header_len, frames_len, hashes_len, index_len, versions, zero, magic = (
            struct.unpack("<IIII4sI8s", data[-32:]))
        require((zero, magic) == (0, b"TAOBEFIL"), where, "trailer")
        hashes_at, index_at = at + frames_len, at + frames_len + hashes_len
        seal_at = index_at + index_len  # 80 bytes in a sealed pack, and else none.
        require(seal_at + at - 16 + 32 == size, where, "lengths")
        twice = (at, data[8:12], data[16:at]) == (header_len, versions, data[seal_at:-32])
        require(twice, where, "header differs from trailer")
        require(blake3(data[index_at:]).hexdigest() == index_digest, where, "index digest")
        open_part = self.repository.opener(where, data, b"P", self.name, bytes.fromhex(pack))
        index = open_part(INDEX, 0, True, data[-32:], data[index_at:seal_at])
        *shape, frame_count, run_count, digest = struct.unpack_from("<16sIIII32s", index)
        require(shape == [bytes.fromhex(pack), block_size, block_count], where, "not this pack")
        require(blake3(data[hashes_at:index_at]).digest() == digest, where, "block hashes")
        hashes = open_part(HASHES, 0, True, b"", data[hashes_at:index_at])
        runs_at = 64 + 24 * frame_count
        require(len(index) == runs_at + 8 * run_count, where, "length of the index")
        runs = [range(f, f + n) for f, n in struct.iter_unpack("<II", index[runs_at:])]
        fits = are_apart(runs) and sum(map(len, runs)) == block_count == len(hashes) / 16
        require(fits, where, "block numbers")
        numbers, done = (number for run in runs for number in run), 0
        for number, frame in enumerate(struct.iter_unpack("<IHBB16s", index[64:runs_at])):
            stored, at = data[at:at + frame[0]], at + frame[0]
            require(at <= hashes_at and done + frame[1] <= block_count, where, "frames")
            require(blake3(stored).digest()[:16] == frame[4], where, "frame digest")
            stored = open_part(FRAMES, number, number + 1 == frame_count, b"", stored)
            for block in decode_frame(where, stored, frame, block_size):
                digest = blake3(block, key=self.repository.hash_key).digest()[:16]
                require(digest == hashes[16 * done:16 * done + 16], where, "block hash")
                yield next(numbers), block
                done += 1
        require(at == hashes_at and done == block_count, where, "frames")

    def archive(self, record):
        """The content of a snapshot that is one file, in pieces."""
        content, name = record["body"]["content"], record["body"]["content"]["archive"]
        require(re.fullmatch(r"[A-Za-z0-9._%-]+", name), record["where"], "name of an archive")
        where = f"{self.folder}/archives/{name}"
        path = os.path.join(self.repository.root, *where.split("/"))
        require(os.path.exists(path), where, "missing")
        whole = blake3().update_mmap(path).hexdigest()
        require(whole == content["digest"], where, "digest of the archive")
        with open(path, "rb") as file:
            stored = pieces(file)
            if self.repository.keys:  # What the archive says of itself has no say here.
                seal, _, digest = archive_head(where, file)
                keys, place = self.repository.keys, (b"A", self.name, name.encode())
                stored = chunks(file, keys.opener(where, seal, *place), digest)
            yield from unzipped(where, stored) if ".db.zst" in name else stored

    def write_image(self, record, file, count, block_size, absent):
        """Writes what packs or an archive give, the newest pack first."""
        body, where = record["body"], record["where"]
        if body["content"]["kind"] == "file":
            for piece in self.archive(record):
                file.write(piece)
                require(file.tell() <= body["page_size"] * body["page_count"], where, "length")
            return
        packs = self.packs(record)
        require(count <= sum(row[3] for row in packs) + 1, where, "more blocks than its packs")
        given = bytearray(count)
        for row in reversed(packs):
            for number, block in self.blocks(row, block_size):
                if number < count and number != absent and not given[number]:
                    given[number] = 1
                    os.pwrite(file.fileno(), block, number * block_size)
        whole = sum(given) + (absent is not None) == count
        require(whole, where, f"{sum(given)} of {count} blocks")
        file.truncate(body["page_size"] * body["page_count"])

    def prove_image(self, record, file):
        """Writes the image of a snapshot to an empty file, and proves what lies there."""
        body, where = record["body"], record["where"]
        page_size, pages_count = body["page_size"], body["page_count"]
        require(page_size in [1 << n for n in range(9, 17)], where, "page size")
        require(0 <= pages_count <= 0xFFFFFFFE, where, "page count")
        size, block_size = page_size * pages_count, max(page_size, 4096)
        count = -(-size // block_size)
        absent = LOCK_BYTE // block_size if page_size >= 4096 and size > LOCK_BYTE else None
        self.write_image(record, file, count, block_size, absent)
        require(file.seek(0, 2) == size, where, "length of the image")
        file.seek(0)
        digester = blake3(derive_key_context=IMAGE_CONTEXT)
        for number in range(count):
            block = file.read(block_size).ljust(block_size, b"\0")
            hashed = blake3(block, key=self.repository.hash_key).digest()[:16]
            digester.update(bytes(16) if number == absent else hashed)
        require(digester.hexdigest() == body["image_digest"], where, "image digest")

def decode_frame(where, stored, frame, block_size):
    size, encoding, zero = frame[1] * block_size, frame[2], frame[3]
    require(encoding < 2 and 0 < size <= 256 * 1024 and zero == 0, where, "frame")
    if encoding == 1:
        claimed = zstandard.get_frame_parameters(stored).content_size
        require(claimed in (size, zstandard.CONTENTSIZE_UNKNOWN), where, "size of a frame")
        stored = zstandard.ZstdDecompressor().decompress(stored, max_output_size=size)
    require(len(stored) == size, where, "size of a frame")
    return (stored[at:at + block_size] for at in range(0, size, block_size))

def list_snapshots(root, name=None):
    repository, keys = Repository(root), names_in(root, "databases")
    names = [name for name in map(urllib.parse.unquote, keys) if key_of_name(name) in keys]
    for name in names if name is None else [name]:
        for record in Database(repository, name).snapshots():
            row = {key: record["body"][key] for key in ("snapshot_id", "taken_at", "generation")}
            row.update(database=name, number=record["number"], pages=record["body"]["page_count"])
            print(json.dumps({**row, "size": record["body"]["page_size"] * row["pages"]}))

@contextmanager
def created(target):
    """A file that gets its name when all has gone well, and only if there is none of that name."""
    for path in (target, target + "-journal", target + "-wal", target + "-shm"):
        require(not os.path.lexists(path), path, "exists; nothing is ever overwritten", 1)
    partial = f"{target}.partial-{os.getpid()}"
    with open(partial, "xb+") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.link(partial, target)  # Unlike a rename, it never replaces a file.
        finally:
            os.unlink(partial)

def restore(root, name, wanted, target):
    database = Database(Repository(root), name)
    record = database.snapshot(wanted)
    database.prove_chain(record["number"])
    with created(target) as file:
        database.prove_image(record, file)

def verify(root, name):
    database = Database(Repository(root), name)
    database.snapshot("latest")  # Nothing to verify is an error.
    database.prove_chain(1)
    for record in database.snapshots():
        with tempfile.TemporaryFile() as scratch:
            database.prove_image(record, scratch)
        print(record["body"]["snapshot_id"])

def decrypt(source, target):
    with open(source, "rb") as file, created(target) as out:
        for piece in single_file(source, file):
            out.write(piece)

def main(command="", *rest):
    commands = {("list", 1): list_snapshots, ("list", 2): list_snapshots, ("decrypt", 2): decrypt,
                ("restore", 4): restore, ("verify", 2): verify}
    if (command, len(rest)) not in commands:
        sys.exit(__doc__)
    try:
        commands[command, len(rest)](*rest)
    except (Refused, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "code", 1)
    except MALFORMED as error:
        print(f"error: a field of an object is not what it must be: {error!r}", file=sys.stderr)
        return 4

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
