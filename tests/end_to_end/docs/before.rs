//! What the reader of a page has before its first command: a shell runs this first.

/// The commands, by the path of the page.
pub(super) fn before(page: &str) -> &'static str {
    match page {
        "docs/agent.md" => AGENT,
        "docs/configuration.md" => CONFIGURATION,
        "docs/destinations.md" => DESTINATIONS,
        "docs/http.md" => HTTP,
        "docs/links.md" => LINKS,
        "docs/migrating.md" => MIGRATING,
        "docs/restore.md" => RESTORE,
        "docs/retention.md" => RETENTION,
        _ => "",
    }
}

/// What stands in a page for something of the reader's own, and what is taken for it.
pub(super) fn instead(page: &str) -> &'static [(&'static str, &'static str)] {
    match page {
        "docs/destinations.md" => &[("s3://my-media", "media"), ("/var/lib/app/media", "other")],
        "docs/links.md" => &[("s3://my-media/uploads", "media")],
        "docs/restore.md" => &[
            ("'/mnt/disk/backups'", "./backups"),
            ("/mnt/disk/backups", "./backups"),
            ("'…'", "\"$LIFEBOAT_KEY\""),
            ("reader/bin/python ", "python3 \"$READER\"/"),
        ],
        _ => &[],
    }
}

const AGENT: &str = r#"
printf '[[database]]\npath = "app.db"\n' > lifeboat.toml
printf '#!/bin/sh\necho "$@"\n' > server
chmod +x server
lifeboat backup
"#;

const CONFIGURATION: &str = r#"
printf '[retention]\nkeep_dialy = 7\n' > mistaken.toml
"#;

const DESTINATIONS: &str = r#"
echo 'a photo' > photo.jpg
mkdir media
printf '[[database]]\npath = "app.db"\n[[destination]]\nname = "far"\nrole = "primary"\nurl = "far"\n
[[destination]]\nname = "copy"\nrole = "mirror"\nurl = "copy"\n' > mirrored.toml
lifeboat --config mirrored.toml backup
rm -r copy
"#;

const HTTP: &str = r#"
printf '[[database]]\npath = "app.db"\n[http]\nlisten = "127.0.0.1:8484"\ntoken = "sixteen-characters"\n' > http.toml
export TOKEN=sixteen-characters
lifeboat --config http.toml run > agent.log 2>&1 &
until (exec 3<>/dev/tcp/127.0.0.1/8484) 2>/dev/null; do kill -0 $! || break; sleep 0.1; done
"#;

/// One row whose object is missing, one object that no row names, and both old.
const LINKS: &str = r#"
mkdir -p media/invoices
for n in 1 2 3 18; do echo "object $n" > media/invoices/$n.pdf; done
find media -type f -exec touch -d '3 days ago' {} +
sqlite3 app.db "CREATE TABLE documents(file_key, title); CREATE TABLE users(avatar);
    INSERT INTO documents(file_key) VALUES('invoices/1.pdf'), ('invoices/2.pdf'), ('invoices/3.pdf'),
        ('invoices/17.pdf');"
printf '[[database]]\npath = "app.db"\n[[links]]\ndatabase = "app"\nurl = "media"\non_broken = "delete"
columns = ["documents.file_key", "users.avatar"]\n' > lifeboat.toml
"#;

/// Files as scripts of many people leave them.
const MIGRATING: &str = r#"
mkdir -p old
sqlite3 app.db ".backup old/app_20251230_030000.db"
sqlite3 app.db "INSERT INTO note(text) VALUES('the next day')"
sqlite3 app.db ".backup old/app_20251231_030000.db"
"#;

/// An encrypted repository with a snapshot, and what happened since.
const RESTORE: &str = r#"
export LIFEBOAT_KEY=$(lifeboat key generate)
lifeboat backup app.db
sqlite3 app.db "DELETE FROM note WHERE id = 10"
lifeboat export app -o app.db.zst.sealed --sealed
"#;

/// Three snapshots, of which the second has a tag.
const RETENTION: &str = r#"
lifeboat backup app.db
sqlite3 app.db "INSERT INTO note(text) VALUES('more')"
lifeboat backup app.db --tag release=1.2
sqlite3 app.db "INSERT INTO note(text) VALUES('and more')"
lifeboat backup app.db
"#;
