"""A writer in a process of its own, with a SQLite of its own.

    writer.py write PATH MODE      commits at full speed; prints the number of each commit
    writer.py watch PATH           reads at full speed; prints which commit each read shows, or "BAD …"
    writer.py check PATH           prints the number of the one commit that a file shows
    writer.py hold PATH KIND       holds RESERVED, or the file in EXCLUSIVE mode, until killed
    writer.py spill PATH MODE      a large transaction that spills, never committed
    writer.py try PATH             tries to begin a write; prints "locked" or "free"
"""
import hashlib
import sqlite3
import sys
import time


def say(text):
    print(text, flush=True)


def connect(path, mode=None, timeout=30):
    db = sqlite3.connect(path, isolation_level=None, timeout=timeout)
    if mode:
        db.execute(f"PRAGMA journal_mode={mode}").fetchone()
        db.execute("PRAGMA synchronous=OFF")
    return db


def content(db):
    """A hash over all rows of all tables of the application."""
    digest = hashlib.sha256()
    for table in ("account", "movement"):
        for row in db.execute(f"SELECT * FROM {table} ORDER BY id"):
            digest.update(repr(row).encode())
    return digest.hexdigest()


def write(path, mode):
    db = connect(path, mode)
    db.executescript("""
        CREATE TABLE IF NOT EXISTS account(id INTEGER PRIMARY KEY, amount INTEGER, note TEXT);
        CREATE TABLE IF NOT EXISTS movement(id INTEGER PRIMARY KEY, a, b, amount);
        CREATE INDEX IF NOT EXISTS movement_a ON movement(a);
        CREATE TABLE IF NOT EXISTS commits(id INTEGER PRIMARY KEY, seq INTEGER, hash TEXT);
    """)
    db.execute("BEGIN IMMEDIATE")
    for n in range(400):
        db.execute("INSERT OR REPLACE INTO account VALUES(?,?,?)", (n, 0, str(n) * 50))
    db.execute("INSERT OR REPLACE INTO commits VALUES(1, 0, ?)", (content(db),))
    db.execute("COMMIT")
    say(0)
    seq = 0
    while True:
        seq += 1
        db.execute("BEGIN IMMEDIATE")
        a, b = seq * 7 % 400, seq * 13 % 400
        db.execute("UPDATE account SET amount=amount-?, note=? WHERE id=?", (seq, f"{seq}" * 60, a))
        db.execute("UPDATE account SET amount=amount+?, note=? WHERE id=?", (seq, f"{seq}" * 61, b))
        db.execute("INSERT OR REPLACE INTO movement VALUES(?,?,?,?)", (seq % 800, a, b, seq))
        if seq % 50 == 0:
            db.execute("DELETE FROM movement WHERE id % 3 = ?", (seq // 50 % 3,))
        db.execute("UPDATE commits SET seq=?, hash=?", (seq, content(db)))
        db.execute("COMMIT")
        say(seq)


def watch(path):
    db = connect(path)
    while True:
        try:
            db.execute("BEGIN")
            seq, recorded = db.execute("SELECT seq, hash FROM commits").fetchone()
            say(seq if content(db) == recorded else f"BAD {seq}: not one commit")
            db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                say(f"BAD {error}")
                return
            if db.in_transaction:
                db.execute("ROLLBACK")
        except sqlite3.DatabaseError as error:
            say(f"BAD {error}")
            return


def check(path):
    db = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
    seq, recorded = db.execute("SELECT seq, hash FROM commits").fetchone()
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", "integrity_check"
    assert content(db) == recorded, f"not commit {seq}"
    say(seq)


def hold(path, kind):
    db = connect(path)
    if kind == "exclusive":
        db.execute("PRAGMA locking_mode=EXCLUSIVE").fetchone()
        db.execute("BEGIN EXCLUSIVE")
        db.execute("COMMIT")
    else:
        db.execute("BEGIN IMMEDIATE")
    say("held")
    time.sleep(3600)


def spill(path, mode):
    db = connect(path, mode)
    db.execute("PRAGMA cache_size=5")
    db.execute("BEGIN IMMEDIATE")
    db.execute("CREATE TABLE IF NOT EXISTS spilled(x)")
    for n in range(3000):
        db.execute("INSERT INTO spilled VALUES(?)", (b"s" * 1000,))
    say("spilled")
    time.sleep(3600)


def attempt(path):
    db = connect(path, timeout=0)
    try:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
        say("free")
    except sqlite3.OperationalError:
        say("locked")


{"write": write, "watch": watch, "check": check, "hold": hold, "spill": spill, "try": attempt}[sys.argv[1]](
    *sys.argv[2:]
)
