"""Reads and opens the objects of Lifeboat repositories: keys, control objects, single files.

One half of the independent reader, which lifeboat_reader.py needs beside it. Written from
docs/format.md. What is encrypted needs the package cryptography, in version 44 or newer where
a passphrase opens it.
"""
import json
import os
import re
import struct
from base64 import b64decode

import zstandard
from blake3 import blake3

FORMAT_VERSION = 1
LIMITS = {b"F": 1 << 20, b"K": 64 << 10, b"R": 64 << 20, b"L": 8 << 20, b"P": 64 << 20}
OBJECT_INFO = b"lifeboat object v1 hkdf-sha256 aes-256-gcm"
SLOT_INFO = b"lifeboat slot v1 hkdf-sha256 aes-256-gcm"
SLOT_ID_INFO = b"lifeboat slot id v1"
BODY, FRAMES, HASHES, INDEX, CHUNKS = 1, 2, 3, 4, 5
CHUNK_LEN, TAG_LEN = 65536, 16
MALFORMED = (LookupError, TypeError, ValueError, struct.error, zstandard.ZstdError)

class Refused(Exception):
    """Why nothing is restored, and the exit code for it."""
    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code

def require(condition, where, what, code=4):
    if not condition:
        raise Refused(f"{where} is damaged: {what}" if code == 4 else f"{where} {what}", code)

def hex_of(text, length, where):
    """The text of an id of so many bytes, which is then safe in a path."""
    require(re.fullmatch("[0-9a-f]{%d}" % (2 * length), text), where, "not an id")
    return text

def check_header(where, data, kind):
    """Checks the preamble of an object, and returns the length of its header."""
    require(len(data) >= 48 and data[:9] == b"LIFEBOAT" + kind, where, "not what its name says")
    version, oldest_reader, seal, header_len = struct.unpack_from("<BBBI", data, 9)
    require(1 <= oldest_reader <= version, where, "versions")
    require(oldest_reader <= FORMAT_VERSION, where, f"needs a reader of format {oldest_reader}", 1)
    require((seal, header_len) in ((0, 16), (1, 96)), where, "seal or length of the header")
    return header_len

def names_in(*folder):
    path = os.path.join(*folder)
    return sorted(os.listdir(path)) if os.path.isdir(path) else []

def environment():
    """The key and the passphrase that were given."""
    key, passphrase = (os.environ.get("LIFEBOAT_" + name) for name in ("KEY", "PASSPHRASE"))
    if key and passphrase:
        raise Refused("LIFEBOAT_KEY and LIFEBOAT_PASSPHRASE are both set", 12)
    if key:
        key = key.strip().rstrip("=").replace("-", "+").replace("_", "/")
        require(re.fullmatch("[A-Za-z0-9+/]{43}", key), "LIFEBOAT_KEY", "is no key in Base64", 12)
        key = b64decode(key + "=")
    return key or None, os.fsencode(passphrase) if passphrase else None

def hkdf(secret, salt, info, length):
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    return HKDF(SHA256(), length, salt, info).derive(secret)

def committed_key(secret, salt, info, commitment):
    """The AES-256-GCM key that a secret gives, if it is the one that was committed to."""
    derived = hkdf(secret, salt, info, 64)
    return derived[:32] if derived[32:] == commitment else None

def open_gcm(where, key, nonce, sealed, bound, code=4):
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    try:
        return AESGCM(key).decrypt(nonce, sealed, bound)
    except InvalidTag:
        raise Refused(f"{where} fails its authentication", code) from None

def slot_id(key, repository, key_id):
    """Where the slot of a raw key lies, for those who cannot list."""
    return hkdf(key, key_id, SLOT_ID_INFO + repository, 16)

def stretch(where, passphrase, cost):
    """Argon2id. Whoever can write slots must not choose what it costs to try them."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
    memory, passes, lanes = cost["memory_kib"], cost["passes"], cost["lanes"]
    sane = 8192 <= memory <= 262144 and 1 <= passes <= 16 and 1 <= lanes <= 4
    require(sane and memory * passes >= 38912, where, "cost of Argon2id")
    return Argon2id(salt=b64decode(cost["salt"]), length=32, iterations=passes, lanes=lanes,
                    memory_cost=memory).derive(passphrase)

class Keys:
    """The data keys of a repository that were opened: by id, the key and that of all hashes."""
    def __init__(self, repository, secrets):
        (self.key, self.passphrase), self.repository, self.opened = secrets, repository, {}

    def secret_of(self, where, slot):
        if slot["kind"] == "data-key":  # An older data key opens this one.
            return self.opened.get(b64decode(slot["id"]), [None])[0]
        if slot["kind"] == "passphrase" and self.passphrase:
            return stretch(where, self.passphrase, slot["argon2id"])
        return self.key if slot["kind"] == "raw" else None

    def unlock(self, where, key_id, slot):
        """Opens a data key, if what was given, or an older data key, is the slot's secret."""
        salt, commitment, wrapped = (b64decode(slot[n]) for n in ("salt", "commitment", "wrapped"))
        secret, info = self.secret_of(where, slot), SLOT_INFO + self.repository + key_id
        key = committed_key(secret, salt, info, commitment) if secret else None
        if key:
            payload = open_gcm(where, key, bytes(12), wrapped, None)
            require(payload[:4] == bytes([1, 1, 0, 0]), where, "was made by a later version", 1)
            ours = len(payload) == 104 and payload[4:36] == self.repository + key_id
            require(ours, where, "of another repository or data key")
            self.opened[key_id] = payload[40:72], payload[72:]
        return bool(key)

    def opener(self, where, seal, kind, database, object_id):
        """What opens the parts of an object that was sealed as this one, for this place."""
        require(seal[:16] in self.opened, where, f"needs key {seal[:16].hex()}, not opened", 12)
        place = [self.repository, kind]
        for text in (database.encode(), object_id):
            place += [struct.pack("<I", len(text)), text]
        key, info = self.opened[seal[:16]][0], OBJECT_INFO + b"".join(place)
        key = committed_key(key, seal[16:48], info, seal[48:])
        require(key, where, "sealed for another place")
        def open_part(section, number, last, bound, sealed):
            bound = struct.pack("<BBI", section, last, number) + bound
            return open_gcm(where, key, struct.pack(">B7xI", section, number), sealed, bound)
        return open_part

class Repository:
    """What the format objects say, and the keys."""
    def __init__(self, root):
        self.root, self.keys, infos, secrets = root, None, [], environment()
        while os.path.lexists(os.path.join(root, "format", str(len(infos) + 1))):
            infos.append(json.loads(self.control(f"format/{len(infos) + 1}", b"F")[0]))
        require(infos, root, "holds no repository", 10)
        self.id, scheme = infos[-1]["repository"], infos[-1]["scheme"]
        if scheme["kind"] == "plain":
            require(not any(secrets), root, "is not encrypted, and a key was given", 12)
            self.hash_key = bytes.fromhex(scheme["block_hash_key"])
            return
        keys = Keys(bytes.fromhex(hex_of(self.id, 16, "format")), secrets)
        ids = [hex_of(info["scheme"]["data_key"], 16, "format") for info in infos]
        problems = [self.unlock(keys, key_id) for key_id in ids]  # Older ones open newer ones.
        if problems[-1]:  # Damage says more than a key that does not fit.
            raise min(filter(None, problems), key=lambda problem: getattr(problem, "code", 4))
        self.hash_key = keys.opened[bytes.fromhex(scheme["data_key"])][1]
        self.keys = keys  # From here on, everything is sealed.

    def unlock(self, keys, key_id):
        """Tries all slots of a data key. One that is damaged bars nobody who has another."""
        problem = Refused(f"{self.root} is encrypted, and no key that was given opens it", 12)
        for name in names_in(self.root, "keys", key_id):
            where = f"keys/{key_id}/{name}"
            try:
                slot = re.fullmatch("[0-9a-f]{32}", name) and self.control(where, b"K")[0]
                if slot and keys.unlock(where, bytes.fromhex(key_id), json.loads(slot)):
                    return None
            except (Refused, *MALFORMED) as error:
                problem = error
        return problem

    def read(self, key, kind):
        """A whole object, and the length of its header. Sealed and plain never mix."""
        path = os.path.join(self.root, *key.split("/"))
        require(os.path.exists(path), key, "missing")
        require(os.path.getsize(path) <= LIMITS[kind], key, "too large")
        with open(path, "rb") as file:
            data = file.read()
        header_len = check_header(key, data, kind)
        require(self.keys or header_len == 16, key, "is encrypted, in a plain repository", 12)
        require(not self.keys or header_len == 96, key, "not encrypted, where everything is")
        return data, header_len

    def opener(self, key, data, kind, database, object_id):
        """What opens the parts of an object; in a plain repository, there is nothing to open."""
        if not self.keys:
            return lambda section, number, last, bound, stored: stored
        return self.keys.opener(key, data[16:96], kind, database, object_id)

    def control(self, key, kind, database="", object_id=b""):
        """The body of a small object, and the digest of the whole object."""
        data, header_len = self.read(key, kind)
        require(blake3(data[:-32]).digest() == data[-32:], key, "digest")
        open_part = self.opener(key, data, kind, database, object_id)
        body = open_part(BODY, 0, True, data[:16], data[header_len:-32])
        return body, blake3(data).hexdigest()

def archive_head(where, file):
    """What a sealed archive says of its key and of itself, and what its chunks are bound to."""
    start = file.read(100)
    require(check_header(where, start, b"A") == 96 and len(start) == 100, where, "header")
    require(int.from_bytes(start[96:], "little") <= 4 << 20, where, "length of the head")
    text, digest = file.read(int.from_bytes(start[96:], "little")), file.read(32)
    require(blake3(start + text).digest() == digest, where, "digest of the head")
    return start[16:96], json.loads(text), digest

def chunks(file, open_part, digest):
    """The content of a sealed archive, of which everything before was read."""
    sealed, number, more = file.read(CHUNK_LEN + TAG_LEN), 0, True
    while more:
        more = file.read(CHUNK_LEN + TAG_LEN)
        yield open_part(CHUNKS, number, not more, digest, sealed)
        sealed, number = more, number + 1

def unzipped(where, pieces):
    """The content of one zstd stream that comes in pieces, and must end with the last."""
    stream = zstandard.ZstdDecompressor().decompressobj()
    for piece in pieces:
        for at in range(0, len(piece), 1024):  # However far a piece expands, memory is bounded.
            yield stream.decompress(piece[at:at + 1024])
    require(stream.eof and not stream.unused_data, where, "end of the compressed stream")

def pieces(file):
    return iter(lambda: file.read(CHUNK_LEN), b"")

def single_file(where, file):
    """The database in a file that was exported, or made by `backup --archive`, in pieces."""
    start, secrets = file.read(16), environment()
    file.seek(0)
    if start == b"SQLite format 3\0":
        raise Refused(f"{where} is a database already", 2)
    if start[:4] == bytes.fromhex("28b52ffd"):
        return unzipped(where, pieces(file))
    if start[:9] == b"LIFEBOATA":
        seal, head, digest = archive_head(where, file)
        keys = Keys(bytes.fromhex(hex_of(head["repository"], 16, where)), secrets)
        for slot in head["slots"]:  # One that is damaged bars nobody who has another.
            try:
                keys.unlock(where, bytes.fromhex(slot["data_key"]), slot["slot"])
            except (Refused, *MALFORMED):
                continue
        open_part = keys.opener(where, seal, b"A", head["database"], head["name"].encode())
        content = chunks(file, open_part, digest)
        return unzipped(where, content) if ".db.zst" in head["name"] else content
    require(secrets[0], where, "is no archive, and to open it whole there is no key", 12)
    sealed = file.read()  # A nonce, ciphertext and tag, as other programs make them.
    return [open_gcm(where, secrets[0], sealed[:12], sealed[12:], None, 12)]
