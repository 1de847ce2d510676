#!/usr/bin/env python3
"""Made the test vectors, once; nothing runs it again.

    make_vectors.py keys > crates/lifeboat-crypto/testdata/keys.json
    make_vectors.py objects > crates/lifeboat-format/testdata/objects.json

Written from docs/format.md, so that what Lifeboat opens in its tests was sealed by something
else. All inputs are fixed, salts included: keys of a real repository are drawn at random. The
bytes of compressed frames and of the database depend on the versions of zstd and SQLite, so the
files that are in the tree are what counts, and a later version of the format gets new ones.
"""
import json
import os
import sqlite3
import struct
import sys
import tempfile
from base64 import b64encode

import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

def fixed(name, length):
    """Bytes that look random and are not."""
    return blake3(name.encode(), derive_key_context="lifeboat test vectors").digest(length)

def text(data):
    return b64encode(data).decode()

def hkdf(secret, salt, info, length=64):
    return HKDF(SHA256(), length, salt, info).derive(secret)

REPOSITORY = fixed("repository", 16)
RAW_KEY, OTHER_KEY = fixed("raw key", 32), fixed("other key", 32)
PASSPHRASE = "seven words and an ümlaut, nothing more"
HASH_KEY = fixed("hash key", 32)
FIRST, SECOND = ((n, fixed(f"data key id {n}", 16), fixed(f"data key {n}", 32)) for n in (1, 2))

def payload(data_key, repository=REPOSITORY, version=1):
    ordinal, key_id, key = data_key
    head = bytes([version, 1, 0, 0]) + repository + key_id + struct.pack("<I", ordinal)
    return head + key + HASH_KEY

def slot(name, secret, data_key, kind, content=None, repository=REPOSITORY):
    salt = fixed("salt of slot " + name, 32)
    info = b"lifeboat slot v1 hkdf-sha256 aes-256-gcm" + repository + data_key[1]
    derived = hkdf(secret, salt, info)
    wrapped = AESGCM(derived[:32]).encrypt(bytes(12), content or payload(data_key), None)
    return {**kind, "label": name, "created_at": "2026-11-20T10:00:00Z", "salt": text(salt),
            "commitment": text(derived[32:]), "wrapped": text(wrapped)}

def argon2id(memory, passes, lanes):
    return {"kind": "passphrase", "argon2id": {
        "memory_kib": memory, "passes": passes, "lanes": lanes, "salt": text(fixed("argon2", 16))}}

def stretched(memory, passes, lanes):
    return Argon2id(salt=fixed("argon2", 16), length=32, iterations=passes, lanes=lanes,
                    memory_cost=memory).derive(PASSPHRASE.encode())

def seal_of(data_key, salt, kind, database, object_id):
    """The seal in an object's header, and the cipher of its parts."""
    name = database.encode()
    place = REPOSITORY + kind + struct.pack("<I", len(name)) + name
    place += struct.pack("<I", len(object_id)) + object_id
    derived = hkdf(data_key[2], salt, b"lifeboat object v1 hkdf-sha256 aes-256-gcm" + place)
    def seal_part(section, number, last, bound, content):
        nonce = bytes([section]) + bytes(7) + struct.pack(">I", number)
        bound = bytes([section, last]) + struct.pack("<I", number) + bound
        return AESGCM(derived[:32]).encrypt(nonce, content, bound)
    return data_key[1] + salt + derived[32:], seal_part

def changed(base64_text, at):
    from base64 import b64decode
    data = bytearray(b64decode(base64_text))
    data[at] ^= 1
    return text(bytes(data))

# Keys: slots, ids of slots, the parts of one object, and whole files.

def keys():
    raw, chain = {"kind": "raw"}, {"kind": "data-key", "id": text(FIRST[1])}
    small = (8192, 5, 1)
    slots = []
    def add(name, about, secret, wrapped_key, body, opens):
        slots.append({"name": name, "about": about, "secret": secret, "data_key": wrapped_key.hex(),
                      "slot": body, "opens": opens})
    good = slot("raw", RAW_KEY, FIRST, raw)
    add("raw", "a raw key", "raw_key", FIRST[1], good, True)
    add("passphrase", "a passphrase; the smallest cost that is allowed", "passphrase", FIRST[1],
        slot("passphrase", stretched(*small), FIRST, argon2id(*small)), True)
    add("passphrase in lanes", "the cost that Lifeboat gives, in four lanes", "passphrase", FIRST[1],
        slot("lanes", stretched(19456, 2, 4), FIRST, argon2id(19456, 2, 4)), True)
    add("chain", "the second data key, for those who have the first", "data_key", SECOND[1],
        slot("chain", FIRST[2], SECOND, chain), True)
    bare = {k: v for k, v in slot("bare", RAW_KEY, FIRST, raw).items()
            if k not in ("label", "created_at")}
    add("no label", "label and time may be absent, and further fields are ignored", "raw_key",
        FIRST[1], {**bare, "holder": "0a1b2c3d", "later": [1]}, True)
    add("another key", "made for another raw key", "raw_key", FIRST[1],
        slot("another", OTHER_KEY, FIRST, raw), False)
    add("another passphrase", "made for another passphrase", "passphrase", FIRST[1],
        slot("another words", fixed("stretched", 32), FIRST, argon2id(*small)), False)
    add("raw for passphrase", "of a kind that the secret is not", "passphrase", FIRST[1], good, False)
    for field in ("salt", "commitment", "wrapped"):
        add(field + " changed", "one bit flipped", "raw_key", FIRST[1],
            {**good, field: changed(good[field], 5)}, False)
    add("wrapped cut", "a byte too short", "raw_key", FIRST[1],
        {**good, "wrapped": text(fixed("cut", 119))}, False)
    add("another data key", "lies in the folder of another data key", "raw_key", SECOND[1], good, False)
    add("another repository", "bound to another repository", "raw_key", FIRST[1],
        slot("raw", RAW_KEY, FIRST, raw, repository=fixed("other repository", 16)), False)
    add("another repository inside", "only the payload says that it is of another repository",
        "raw_key", FIRST[1],
        slot("inside", RAW_KEY, FIRST, raw, payload(FIRST, fixed("other repository", 16))), False)
    add("another data key inside", "only the payload says that it is another data key",
        "raw_key", FIRST[1], slot("inside 2", RAW_KEY, FIRST, raw, payload(SECOND)), False)
    add("later payload", "the payload is of version 2", "raw_key", FIRST[1],
        slot("later", RAW_KEY, FIRST, raw, payload(FIRST, version=2)), False)
    add("longer payload", "the payload has a byte more", "raw_key", FIRST[1],
        slot("longer", RAW_KEY, FIRST, raw, payload(FIRST) + b"\0"), False)
    for name, cost in [("too cheap", (8192, 4, 1)), ("too little memory", (4096, 16, 1)),
                       ("too much memory", (262145, 1, 1)), ("too many passes", (19456, 17, 1)),
                       ("too many lanes", (19456, 2, 5)), ("no lanes", (19456, 2, 0))]:
        add(name, "would open, but asks for a cost that is refused", "passphrase", FIRST[1],
            slot(name, stretched(*cost) if all(cost) else fixed(name, 32), FIRST, argon2id(*cost)),
            False)
    add("chain from another", "names the second data key, and there is only the first", "data_key",
        SECOND[1], slot("chain 2", FIRST[2], SECOND, {"kind": "data-key", "id": text(SECOND[1])}),
        False)
    add("unknown kind", "of a kind that this version does not know", "raw_key", FIRST[1],
        {**good, "kind": "card"}, False)

    info = b"lifeboat slot id v1" + REPOSITORY
    slot_ids = [{"raw_key": text(key), "data_key": data_key[1].hex(),
                 "slot_id": hkdf(key, data_key[1], info, 16).hex()}
                for key in (RAW_KEY, OTHER_KEY) for data_key in (FIRST, SECOND)]

    objects = []
    def add_object(name, about, data_key, kind, database, object_id, opens=True, seal=None):
        salt = fixed("salt of object " + name, 32)
        own_seal, seal_part = seal_of(data_key, salt, kind, database, object_id)
        parts = []
        def add_part(about, sealed_as, read_as, content, opens=True, change=None):
            sealed = seal_part(*sealed_as, content)
            sealed = change(sealed) if change else sealed
            section, number, last, bound = read_as
            parts.append({"about": about, "section": section, "number": number, "last": bool(last),
                          "bound": bound.hex(), "sealed": sealed.hex(),
                          "content": content.hex() if opens else None})
        objects.append({"name": name, "about": about, "data_key": data_key[1].hex(),
                        "kind": kind.decode(), "database": database, "object": object_id.hex(),
                        "seal": (seal or own_seal).hex(), "opens": opens, "parts": parts})
        return add_part
    preamble = b"LIFEBOATR" + bytes([1, 1, 1, 96, 0, 0, 0])
    body = (1, 0, True, preamble)
    part = add_object("record", "the body of a record", FIRST, b"R", "app", b"")
    part("as it was sealed", body, body, b"a record")
    part("empty content", body, body, b"")
    part("read as another section", body, (2, 0, True, preamble), b"a record", False)
    part("read as another number", body, (1, 1, True, preamble), b"a record", False)
    part("read as not the last", body, (1, 0, False, preamble), b"a record", False)
    part("bound to other bytes", body, (1, 0, True, preamble[:-1] + b"\1"), b"a record", False)
    part("bound to nothing", body, (1, 0, True, b""), b"a record", False)
    part("a bit of the text flipped", body, body, b"a record", False,
         lambda sealed: bytes([sealed[0] ^ 1]) + sealed[1:])
    part("a bit of the tag flipped", body, body, b"a record", False,
         lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 128]))
    part("the last byte missing", body, body, b"a record", False, lambda sealed: sealed[:-1])
    part("shorter than a tag", body, body, b"a record", False, lambda sealed: sealed[:15])
    part("nothing at all", body, body, b"a record", False, lambda sealed: b"")
    part = add_object("pack", "frames, hashes and index of a pack", SECOND, b"P", "ä b/c",
                      fixed("pack id", 16))
    part("a frame that is not the last", (2, 0, False, b""), (2, 0, False, b""), b"frame 0")
    part("the last frame", (2, 1, True, b""), (2, 1, True, b""), b"frame 1")
    part("a number of more than one byte", (2, 0x01020304, False, b""),
         (2, 0x01020304, False, b""), b"a frame far away")
    part("hashes", (3, 0, True, b""), (3, 0, True, b""), fixed("hashes", 32))
    part("an index, bound to a trailer", (4, 0, True, fixed("trailer", 32)),
         (4, 0, True, fixed("trailer", 32)), b"index")
    part("a frame in the place of another", (2, 0, False, b""), (2, 1, False, b""), b"0", False)
    salt, pack = fixed("salt of object elsewhere", 32), fixed("pack id", 16)
    sealed = seal_of(FIRST, salt, b"P", "app", pack)[0]
    for name, about, key, kind, database, object_id in [
            ("another database", "", FIRST, b"P", "bpp", pack),
            ("another kind", "", FIRST, b"L", "app", pack),
            ("another id", "", FIRST, b"P", "app", fixed("pack id 2", 16)),
            ("bytes moved", "an id that goes on where the name ended", FIRST, b"P", "ap", b"p" + pack),
            ("no id", "", FIRST, b"P", "app", b"")]:
        add_object(name, about or "sealed for another place", key, kind, database, object_id, False, sealed)
    add_object("another salt", "the commitment is of another salt", FIRST, b"P", "app", pack, False,
               sealed[:16] + fixed("another salt", 32) + sealed[48:])
    add_object("another commitment", "one bit flipped", FIRST, b"P", "app", pack, False,
               sealed[:-1] + bytes([sealed[-1] ^ 1]))

    nonce = fixed("nonce", 12)
    whole = nonce + AESGCM(RAW_KEY).encrypt(nonce, b"SQLite format 3\0 and so on", None)
    empty = nonce + AESGCM(RAW_KEY).encrypt(nonce, b"", None)
    files = [(about, file.hex(), None if content is None else content.hex())
             for about, file, content in [
        ("as it was made", whole, b"SQLite format 3\0 and so on"), ("empty content", empty, b""),
        ("a bit of the nonce flipped", bytes([whole[0] ^ 1]) + whole[1:], None),
        ("a bit of the text flipped", whole[:14] + bytes([whole[14] ^ 1]) + whole[15:], None),
        ("a bit of the tag flipped", whole[:-1] + bytes([whole[-1] ^ 1]), None),
        ("cut", whole[:-1], None), ("shorter than nonce and tag", whole[:27], None),
        ("nothing at all", b"", None)]]
    return {
        "about": "Keys of Lifeboat, format version 1: slots, objects and their parts, whole files. "
                 "What does not open must be refused. docs/format.md says what the fields of slots mean.",
        "fields": {
            "repository": "id of the repository, hexadecimal",
            "raw_key, passphrase": "the secrets; the key in Base64",
            "data_keys": "what the slots wrap: id, number from 1, key, key of the block hashes, and the "
                         "104 bytes of the payload; hexadecimal",
            "slots[].secret": "what it is opened with: raw_key, passphrase, or data_key, the first one",
            "slots[].data_key": "id of the data key in whose folder the slot lies",
            "slots[].slot": "the body of the slot object", "slots[].opens": "whether it gives the data key",
            "slot_ids": "the id of the slot of a raw key, for a data key",
            "objects[].kind, database, object": "the place that it is opened for: letter, name, id",
            "objects[].seal": "the 80 bytes after the preamble: id of the data key, salt, commitment",
            "objects[].opens": "whether the seal is of that place; if not, it has no parts",
            "parts[].section, number, last, bound": "as what it is opened: nonce and associated data",
            "parts[].sealed": "ciphertext and tag", "parts[].content": "what it gives; null: it is refused",
            "single_files": "nonce, ciphertext, tag, opened with raw_key; content as in parts"},
        "repository": REPOSITORY.hex(), "raw_key": text(RAW_KEY), "passphrase": PASSPHRASE,
        "data_keys": [{"id": key[1].hex(), "ordinal": key[0], "key": key[2].hex(),
                       "hash_key": HASH_KEY.hex(), "payload": payload(key).hex()}
                      for key in (FIRST, SECOND)],
        "slots": slots, "slot_ids": slot_ids, "objects": objects,
        "single_files": [dict(zip(("about", "file", "content"), row)) for row in files]}

# Objects: a whole repository, and what somebody might put in the place of each.

def preamble(kind, seal, oldest_reader=1):
    return b"LIFEBOAT" + kind + bytes([oldest_reader, oldest_reader, bool(seal)]) + struct.pack(
        "<HH", 96 if seal else 16, 0)

def control(kind, body, database=None, object_id=b"", salt="", data_key=FIRST, oldest_reader=1):
    start, seal = preamble(kind, database, oldest_reader), b""
    if database:
        seal, seal_part = seal_of(data_key, fixed("salt of " + salt, 32), kind, database, object_id)
        body = seal_part(1, 0, True, start, body)
    return start + seal + body + blake3(start + seal + body).digest()

def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

def database():
    """A small database, part of which does not compress."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "app.db")
        live = sqlite3.connect(path)
        live.executescript("PRAGMA page_size=4096; PRAGMA user_version=7; CREATE TABLE t(a, b);")
        rows = [(f"row {n}", fixed(f"row {n}", 1500)) for n in range(60)]
        live.executemany("INSERT INTO t VALUES(?, ?)", rows)
        live.commit()
        live.close()
        with open(path, "rb") as file:
            return file.read()

def pack(name, blocks):
    """A pack of blocks by number; every frame holds up to eight, and what compresses is."""
    pack_id, numbers = fixed("pack " + name, 16), sorted(blocks)
    seal, seal_part = seal_of(FIRST, fixed("salt of pack " + name, 32), b"P", "app", pack_id)
    groups = [numbers[at:at + 8] for at in range(0, len(numbers), 8)]
    frames, rows = b"", b""
    for n, group in enumerate(groups):
        content = b"".join(blocks[number] for number in group)
        small = zstandard.ZstdCompressor().compress(content)
        encoding = len(small) < len(content)
        stored = seal_part(2, n, n + 1 == len(groups), b"", small if encoding else content)
        rows += struct.pack("<IHBB", len(stored), len(group), encoding, 0) + blake3(stored).digest(16)
        frames += stored
    hashes = b"".join(blake3(blocks[n], key=HASH_KEY).digest(16) for n in numbers)
    hashes = seal_part(3, 0, True, b"", hashes)
    runs = []
    for number in numbers:
        if runs and sum(runs[-1]) == number:
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    index = pack_id + struct.pack("<IIII", 4096, len(numbers), len(groups), len(runs))
    index += blake3(hashes).digest() + rows + b"".join(struct.pack("<II", *run) for run in runs)
    start = preamble(b"P", seal)
    trailer = struct.pack("<IIII", 96, len(frames), len(hashes), len(index) + 16)
    trailer += start[8:12] + bytes(4) + b"TAOBEFIL"
    tail = seal_part(4, 0, True, trailer, index) + seal + trailer
    data = start + seal + frames + hashes + tail
    row = [pack_id.hex(), fixed("suffix " + name, 4).hex(), len(data), len(numbers),
           blake3(tail).hexdigest()]
    return f"packs/{row[0]}-{row[1]}", data, row

def archive(name, content, slots):
    seal, seal_part = seal_of(SECOND, fixed("salt of archive", 32), b"A", "app", name.encode())
    head = compact({"repository": REPOSITORY.hex(), "database": "app", "name": name, "slots": slots})
    start = preamble(b"A", seal) + seal + struct.pack("<I", len(head)) + head
    digest, stream = blake3(start).digest(), zstandard.ZstdCompressor().compress(content)
    pieces = [stream[at:at + 65536] for at in range(0, len(stream), 65536)]
    assert len(pieces) > 1
    sealed = [seal_part(5, n, n + 1 == len(pieces), digest, p) for n, p in enumerate(pieces)]
    return start + digest + b"".join(sealed), len(start) + 32

def objects():
    image = database()
    count = len(image) // 4096
    blocks = {n: image[4096 * n:4096 * n + 4096] for n in range(count)}
    hashes = b"".join(blake3(block, key=HASH_KEY).digest(16) for block in blocks.values())
    image_digest = blake3(hashes, derive_key_context="lifeboat 2026 image digest v1").hexdigest()
    here = "databases/app/"
    def slot_at(name, secret, data_key, kind, slot_name, holder):
        body = {"holder": holder, **slot(name, secret, data_key, kind)}
        key = f"keys/{data_key[1].hex()}/{slot_name}"
        return (key, control(b"K", compact(body))), {"data_key": data_key[1].hex(), "slot": {
            k: v for k, v in body.items() if k != "holder"}}
    slot_id = hkdf(RAW_KEY, FIRST[1], b"lifeboat slot id v1" + REPOSITORY, 16).hex()
    small = (8192, 5, 1)
    slots = [slot_at("raw", RAW_KEY, FIRST, {"kind": "raw"}, slot_id, "0a1b2c3d"),
             slot_at("words", stretched(*small), FIRST, argon2id(*small), fixed("slot", 16).hex(), "4e5f6071"),
             slot_at("", FIRST[2], SECOND, {"kind": "data-key", "id": text(FIRST[1])}, FIRST[1].hex(), "")]
    good = dict(entry for entry, _ in slots)
    for n, data_key in enumerate((FIRST, SECOND), 1):
        scheme = {"kind": "sealed", "data_key": data_key[1].hex()}
        good[f"format/{n}"] = control(b"F", compact({
            "repository": REPOSITORY.hex(), "created_at": "2026-11-20T10:00:00Z", "scheme": scheme}))

    # The older pack has an older block 2, and blocks that the image no longer has.
    older = {**blocks, 2: fixed("older", 4096), count: fixed("gone", 4096), count + 5: bytes(4096)}
    packs = [pack("older", {n: older[n] for n in older if n != 1}),
             pack("newer", {n: blocks[n] for n in (1, 2)})]
    for key, data, _ in packs:
        good[here + key] = data
    list_id, row = fixed("list", 16), packs[0][2]
    body = struct.pack("<I16s4sII32s", 1, bytes.fromhex(row[0]), bytes.fromhex(row[1]), *row[2:4],
                       bytes.fromhex(row[4]))
    list_key = f"{here}lists/{list_id.hex()}"
    good[list_key] = control(b"L", body, "app", list_id, "list")
    name = f"app_20261121_100000_{fixed('archive', 4).hex()}.db.zst.sealed"
    stored, chunks_at = archive(name, image, [copied for _, copied in slots])
    archive_key = here + "archives/" + name
    good[archive_key] = stored

    sqlite = {"journal": "rollback", "free_pages": 0, "auto_vacuum": False, "reserved_bytes": 0,
              **{field: int.from_bytes(image[at:at + 4], "big") for field, at in (
                  ("user_version", 60), ("application_id", 68), ("schema_cookie", 40),
                  ("change_counter", 24), ("text_encoding", 56), ("written_by", 96))},
              "read_by": sqlite3.sqlite_version_info[0] * 1000000 + sqlite3.sqlite_version_info[1] * 1000}
    def record(number, content, packs, previous, database="app", **how):
        day = 19 + number
        snapshot = compact({
            "snapshot_id": f"202611{day}T100000Z-{fixed(f'snapshot {number}', 4).hex()}",
            "generation": number, "taken_at": f"2026-11-{day}T10:00:00Z", "page_size": 4096,
            "page_count": count, "image_digest": image_digest, "content": content,
            "origin": "/srv/app.db", "trigger": "manual", "tags": {}, "sqlite": sqlite,
            "statistics": {"pages_changed": count, "bytes_read": len(image), "bytes_sent": 1}})
        envelope = {
            "number": number, "kind": "snapshot", "repository": REPOSITORY.hex(),
            "database": database, "nonce": fixed(f"nonce {number}", 16).hex(), "writer": "vectors-1",
            "written_at": f"2026-11-{day}T10:00:01Z", "previous": previous,
            "state": {"owner": "vectors-1", "alive": "1" if number == 1 else "1-2",
                      "latest": {"number": number, "generation": number}, "generation": number},
            "packs": packs, "body_digest": blake3(snapshot).hexdigest()}
        envelope = {field: value for field, value in envelope.items() if value is not None}
        return control(b"R", compact(envelope) + b"\n" + snapshot, database, b"",
                       f"record {number} {database}", (FIRST, SECOND)[number - 1], **how)
    ids = b"".join(bytes.fromhex(row[0]) for _, _, row in packs)
    content = {"kind": "pages", "packs_digest": blake3(ids).hexdigest()}
    reference = {"list": {"id": list_id.hex(), "digest": blake3(good[list_key]).hexdigest()},
                 "added": [packs[1][2]]}
    first_key, second_key = (f"{here}records/{n:020}" for n in (1, 2))
    good[first_key] = record(1, content, reference, None)
    file = {"kind": "file", "archive": name, "size": len(stored), "encoding": "zstd+sealed",
            "digest": blake3(stored).hexdigest()}
    good[second_key] = record(2, file, None, blake3(good[first_key]).hexdigest())

    bad = []
    def instead(key, about, code, data=None, edits=(), cut=None, snapshot=1):
        """Another object, or the good one with bytes changed and its digest made anew or not."""
        row = {"key": key, "about": about, "snapshot": snapshot, "code": code}
        bad.append({**row, **({"object": text(data)} if data else {}),
                    **({"edits": [[at, new.hex()] for at, new in edits]} if edits else {}),
                    **({"length": cut} if cut is not None else {})})
    def flip(key, at, about, code=4, anew=False, snapshot=1):
        data = bytearray(good[key])
        at %= len(data)
        data[at] ^= 1
        edits = [(at, bytes([data[at]]))]
        if anew:
            edits.append((len(data) - 32, blake3(bytes(data[:-32])).digest()))
        instead(key, about, code, edits=edits, snapshot=snapshot)
    for key in ("format/1", slots[0][0][0], slots[2][0][0], first_key, list_key):
        flip(key, 40, "a bit flipped: the digest does not fit")
    for key in (first_key, list_key):
        flip(key, 120, "a bit of the text flipped and the digest made anew: forged", anew=True)
        flip(key, 40, "the salt changed and the digest made anew: another place", anew=True)
        flip(key, 90, "the commitment changed and the digest made anew: another place", anew=True)
        flip(key, 20, "names another data key, and the digest is made anew", 12, anew=True)
        instead(key, "cut", 4, cut=len(good[key]) - 1)
    instead(first_key, "not encrypted, where everything is", 4, control(b"R", b"{}"))
    instead(first_key, "the second record in the place of the first", 4, good[second_key])
    instead(first_key, "a record of another database", 4, record(1, content, reference, None, "other"))
    instead(first_key, "for readers of format 2", 1,
            record(1, content, reference, None, oldest_reader=2))
    instead(list_key, "a list of another id", 4, control(b"L", body, "app", fixed("list 2", 16), "list 2"))
    older_key, newer_key = (here + key for key, _, _ in packs)
    length = len(good[older_key])
    for at, what in [(200, "a frame"), (length - 32 - 80 - 20, "the tag of the index"),
                     (length - 40, "the seal in the tail"), (length - 20, "the trailer"),
                     (30, "the seal in the header")]:
        # A restore reads no header of a pack; who reads whole packs finds it.
        flip(older_key, at, f"a bit of {what} flipped", 4 if at != 30 else None)
    instead(older_key, "cut", 4, cut=length - 1)
    instead(newer_key, "another pack in its place", 4, good[newer_key][:96] + bytes(500))
    for at, what in [(100, "the head"), (chunks_at + 5, "the first chunk"), (-1, "the last tag")]:
        flip(archive_key, at, f"a bit of {what} flipped", snapshot=2)
    instead(archive_key, "cut after a whole chunk", 4, cut=chunks_at + 65552, snapshot=2)
    return {
        "about": "A whole encrypted repository of format version 1: two data keys, a snapshot of pages "
                 "in two packs with a list object, and one that is an archive. And objects that must be "
                 "refused in the place of the good ones.",
        "fields": {
            "raw_key, passphrase": "each opens all of it; the key in Base64",
            "objects": "every object by its key, in Base64",
            "image": "BLAKE3 of the bytes of the database that both snapshots give",
            "snapshots": "their ids, by the number of the record minus one",
            "bad[].key": "which object it replaces", "bad[].object": "the whole other object, in Base64",
            "bad[].edits": "or the good one, with bytes changed: offset, hexadecimal bytes",
            "bad[].length": "or cut to so many bytes",
            "bad[].snapshot": "the record of the snapshot that can no longer be restored",
            "bad[].code": "the exit code of restoring it: 4 damage, 12 keys, 1 a later version; null: "
                          "only who reads the whole pack finds it, with 4"},
        "raw_key": text(RAW_KEY), "passphrase": PASSPHRASE, "image": blake3(image).hexdigest(),
        "snapshots": [f"202611{19 + n}T100000Z-{fixed(f'snapshot {n}', 4).hex()}" for n in (1, 2)],
        "objects": {key: text(good[key]) for key in sorted(good)}, "bad": bad}

if __name__ == "__main__":
    made = {"keys": keys, "objects": objects}[sys.argv[1]]()
    print(json.dumps(made, indent=1, ensure_ascii=False))
