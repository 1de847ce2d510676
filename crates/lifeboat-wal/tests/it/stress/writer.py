"""A writer in a process of its own, with a SQLite of its own (an older one): every
commit counts itself in c.seq and keeps c.sum, a checksum over all rows."""
import random
import sqlite3
import sys
import zlib

path, seed = sys.argv[1], int(sys.argv[2])
dice = random.Random(seed)
db = sqlite3.connect(path, isolation_level=None, timeout=30)
db.execute("PRAGMA synchronous=OFF")
# Few pages of cache: transactions spill frames before they commit.
db.execute("PRAGMA cache_size=6")


def change(rows):
    total = db.execute("SELECT sum FROM c").fetchone()[0]
    for _ in range(rows):
        key = dice.randrange(150)
        old = db.execute("SELECT b FROM t WHERE id=?", (key,)).fetchone()
        total -= zlib.crc32(old[0]) if old else 0
        if dice.randrange(5) == 0:
            db.execute("DELETE FROM t WHERE id=?", (key,))
        else:
            new = dice.randbytes(dice.randrange(10, 3000))
            db.execute("REPLACE INTO t VALUES(?, ?)", (key, new))
            total += zlib.crc32(new)
    db.execute("UPDATE c SET sum=?", (total,))


def transaction():
    db.execute("BEGIN IMMEDIATE")
    try:
        change(dice.randrange(1, 9) if dice.randrange(12) else 60)
        if dice.randrange(4) == 0:
            db.execute("SAVEPOINT s")
            change(dice.randrange(1, 30))
            db.execute("ROLLBACK TO s" if dice.randrange(2) else "RELEASE s")
        db.execute("UPDATE c SET seq=seq+1")
        db.execute("ROLLBACK" if dice.randrange(12) == 0 else "COMMIT")
    except sqlite3.OperationalError:
        if db.in_transaction:
            db.execute("ROLLBACK")


while True:
    try:
        odd = dice.randrange(150)
        if odd == 0:
            db.execute("VACUUM")
        elif odd < 8:
            mode = ("PASSIVE", "FULL", "RESTART", "TRUNCATE")[odd % 4]
            db.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        else:
            transaction()
    except sqlite3.OperationalError:
        pass
