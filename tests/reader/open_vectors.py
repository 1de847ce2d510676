#!/usr/bin/env python3
"""Opens crates/lifeboat-crypto/testdata/keys.json with the independent reader.

    open_vectors.py FILE

Prints how many vectors of each kind did what they should, and fails at the first that does not.
"""
import io
import json
import os
import sys
from base64 import b64decode

from lifeboat_objects import MALFORMED, Keys, Refused, single_file, slot_id

def attempt(function, *arguments):
    """What a function gives; None where it refuses."""
    try:
        return function(*arguments)
    except (Refused, *MALFORMED):
        return None

def check(found, expected, vector):
    assert found == expected, f"{found!r} and not {expected!r}: {vector}"

def main(path):
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    repository = bytes.fromhex(vectors["repository"])
    raw_key, passphrase = b64decode(vectors["raw_key"]), vectors["passphrase"].encode()
    data_keys = {bytes.fromhex(row["id"]): tuple(bytes.fromhex(row[n]) for n in ("key", "hash_key"))
                 for row in vectors["data_keys"]}
    first = next(iter(data_keys))
    for vector in vectors["slots"]:
        secret, key_id = vector["secret"], bytes.fromhex(vector["data_key"])
        keys = Keys(repository, (raw_key if secret == "raw_key" else None,
                                 passphrase if secret == "passphrase" else None))
        if secret == "data_key":
            keys.opened[first] = data_keys[first]
        opened = attempt(keys.unlock, vector["name"], key_id, vector["slot"])
        check(bool(opened), vector["opens"], vector)
        check(keys.opened.get(key_id), data_keys[key_id] if opened else None, vector)
    for vector in vectors["slot_ids"]:
        found = slot_id(b64decode(vector["raw_key"]), repository, bytes.fromhex(vector["data_key"]))
        check(found.hex(), vector["slot_id"], vector)
    keys, parts = Keys(repository, (None, None)), 0
    keys.opened = data_keys
    for vector in vectors["objects"]:
        place = vector["kind"].encode(), vector["database"], bytes.fromhex(vector["object"])
        opener = attempt(keys.opener, vector["name"], bytes.fromhex(vector["seal"]), *place)
        check(opener is not None, vector["opens"], vector)
        for part in vector["parts"]:
            sealed, bound = bytes.fromhex(part["sealed"]), bytes.fromhex(part["bound"])
            found = attempt(opener, part["section"], part["number"], part["last"], bound, sealed)
            check(None if found is None else found.hex(), part["content"], part)
            parts += 1
    os.environ["LIFEBOAT_KEY"] = vectors["raw_key"]
    for vector in vectors["single_files"]:
        file = io.BytesIO(bytes.fromhex(vector["file"]))
        found = attempt(lambda: b"".join(single_file(vector["about"], file)))
        check(None if found is None else found.hex(), vector["content"], vector)
    counts = {kind: len(vectors[kind]) for kind in ("slots", "slot_ids", "objects", "single_files")}
    print(json.dumps({**counts, "parts": parts}))

if __name__ == "__main__":
    main(*sys.argv[1:])
