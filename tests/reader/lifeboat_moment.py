#!/usr/bin/env python3
"""Restores the state after a commit from a Lifeboat repository that lies in a directory.

Written from docs/format.md, as lifeboat_reader.py is, which it needs beside it with
lifeboat_objects.py. Takes a snapshot and applies the commits of the log to it, in order.

    lifeboat_moment.py REPOSITORY DATABASE COMMIT TARGET

Exit codes: 0 done, 4 damage, 7 no such commit, 10 no repository, 12 no key or the wrong one,
1 anything else.
"""
import os
import struct
import sys

from blake3 import blake3
from lifeboat_objects import FRAMES, INDEX, LIMITS, MALFORMED, Refused, Repository, hex_of, require
from lifeboat_reader import Database, created, decode_frame

LIMITS[b"G"] = 64 << 20
SEAL, CONTINUES = 1, 2

def segment_key(database, epoch, number):
    return f"{database.folder}/log/{epoch}/{number:020}"

def segment(database, epoch, number, before):
    """Proves a segment: what names it, its flags, and its commits as (number, pages, page count
    of the database or 0). `before` is what names the segment before, if that was read."""
    where, repository = segment_key(database, epoch, number), database.repository
    data, at = repository.read(where, b"G")
    trailer = struct.unpack("<IIII4sI32s8s", data[-64:])
    header_len, frames_len, index_len, zero, versions, zero_too, digest, magic = trailer
    require((zero, zero_too, magic) == (0, 0, b"TAOBEFIL"), where, "trailer")
    index_at, seal_at = at + frames_len, at + frames_len + index_len
    require(seal_at + at - 16 + 64 == len(data), where, "lengths")
    twice = (at, data[8:12], data[16:at]) == (header_len, versions, data[seal_at:-64])
    require(twice, where, "header differs from trailer")
    require(blake3(data[index_at:seal_at]).digest() == digest, where, "index digest")
    object_id = bytes.fromhex(epoch) + struct.pack("<Q", number)
    open_part = repository.opener(where, data, b"G", database.name, object_id)
    index = open_part(INDEX, 0, True, data[-64:-40], data[index_at:seal_at])
    head = struct.unpack_from("<16sQ16s32sQqq8I", index)
    require(head[:2] == (bytes.fromhex(epoch), number), where, "not from here")
    require(before is None or head[3] == before, where, "does not follow the segment before")
    first, page_size, flags, grid = head[4], head[7], head[8], head[9]
    commits, pages, frames, mark = head[10:14]
    require(not flags & ~(SEAL | CONTINUES) and not grid, where, "is of a later version", 1)
    rows_at = 128 + mark
    frames_at, numbers_at = rows_at + 16 * commits, rows_at + 16 * commits + 24 * frames
    require(len(index) == numbers_at + 4 * pages, where, "length of the index")
    images, offset = [], at
    for count, frame in enumerate(struct.iter_unpack("<IHBB16s", index[frames_at:numbers_at])):
        stored, offset = data[offset:offset + frame[0]], offset + frame[0]
        require(blake3(stored).digest()[:16] == frame[4], where, "frame digest")
        stored = open_part(FRAMES, count, count + 1 == frames, b"", stored)
        images += decode_frame(where, stored, frame, page_size)
    require(offset == index_at and len(images) == pages, where, "frames")
    numbered = list(zip((n for n, in struct.iter_unpack("<I", index[numbers_at:])), images))
    done, found = 0, []
    for count, size, _ in struct.iter_unpack("<IIq", index[rows_at:frames_at]):
        found.append((first + len(found), numbered[done:done + count], size))
        done += count
    require(done == pages, where, "rows of commits")
    return blake3(data[index_at:]).digest(), page_size, found

def base_of(database, commit):
    """The epoch that has a commit, and the snapshot from which it takes the fewest others."""
    for epoch in reversed(database.head["state"].get("log", [])):
        floor = epoch.get("floor", {"segment": 1, "commit": epoch["first_commit"]})
        def fits(record, epoch=epoch, floor=floor):
            place = record["body"].get("log", {"epoch": None})
            return place["epoch"] == epoch["id"] and place["to"] <= commit and (
                place["from"] + 1 >= floor["commit"])
        fitting = [record for record in database.snapshots() if fits(record)]
        if fitting:
            return epoch, floor, max(fitting, key=lambda record: record["body"]["log"]["from"])
    raise Refused(f"{database.name} has no log that has commit {commit}", 7)

def apply(database, epoch, floor, record, commit, file):
    """Applies the commits after a snapshot's own place, up to one."""
    page_size, pending = record["body"]["page_size"], []
    applied, number, before = record["body"]["log"]["from"], floor["segment"], None
    last = ((epoch.get("end") or {}).get("last") or {}).get("segment", 0)
    epoch_id = hex_of(epoch["id"], 16, "state")
    while applied < commit:
        path = os.path.join(database.repository.root, segment_key(database, epoch_id, number))
        if number > last and not os.path.exists(path):
            raise Refused(f"{database.name}: the log does not reach commit {commit}", 7)
        before, size, rows = segment(database, epoch_id, number, before)
        require(not rows or size == page_size, path, "another page size")
        for which, pages, count in rows:
            if not applied < which <= commit:
                continue
            pending += pages
            if count:
                require(which == applied + 1, path, "order of commits")
                for page, data in pending:
                    if page <= count:
                        os.pwrite(file.fileno(), data, (page - 1) * page_size)
                os.truncate(file.fileno(), count * page_size)
                applied, pending = which, []
        number += 1

def main(root, name, commit, target):
    try:
        database = Database(Repository(root), name)
        epoch, floor, record = base_of(database, int(commit))
        database.prove_chain(record["number"])
        with created(target) as file:
            database.prove_image(record, file)
            apply(database, epoch, floor, record, int(commit), file)
    except (Refused, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "code", 1)
    except MALFORMED as error:
        print(f"error: a field of an object is not what it must be: {error!r}", file=sys.stderr)
        return 4

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 5 else __doc__)
