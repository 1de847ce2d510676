//! Rules of every form, on real databases.

use std::path::PathBuf;
use std::sync::Arc;

use lifeboat_links::{
    Column, DatabaseMentions, Dialect, Form, Group, JsonPath, Kind, LinksError, OnBroken, Options,
    Origin, Removal, Rule, fix,
};
use lifeboat_remote::Remote;
use lifeboat_sqlite::Value;

const NOW: i64 = 4_000_000_000;

struct App {
    folder: tempfile::TempDir,
    path: PathBuf,
    store: Remote,
}

fn app(sql: &str) -> App {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("app.db");
    let app = App { path, store: Remote::memory(), folder };
    app.sql(sql);
    app
}

impl App {
    fn sql(&self, sql: &str) {
        let connection = rusqlite::Connection::open(&self.path).expect("opens");
        connection.execute_batch(sql).expect("runs");
    }

    fn ask(&self, sql: &str) -> String {
        let connection = rusqlite::Connection::open(&self.path).expect("opens");
        connection.query_row(sql, [], |row| row.get(0)).expect("one row")
    }

    async fn put(&self, keys: &[&str]) {
        for key in keys {
            let put = self.store.create(key, (*key).to_owned().into()).await.expect("is put");
            assert_eq!(put, lifeboat_remote::Created::New);
        }
    }

    fn group(&self, rules: Vec<Rule>) -> Result<Group, LinksError> {
        let sources = rules.into_iter().enumerate().map(|(at, rule)| {
            Ok(Arc::new(DatabaseMentions::open(&self.path, rule, at)?) as Arc<_>)
        });
        let sources = sources.collect::<Result<_, LinksError>>()?;
        let options = Options::new(self.folder.path(), NOW);
        Ok(Group::new(self.store.clone(), sources, options))
    }
}

fn columns(names: &[&str]) -> Rule {
    let columns = names.iter().map(|name| Column::parse(name).expect("a column")).collect();
    let mut rule = Rule::default();
    rule.name = names[0].to_owned();
    rule.origin = Origin::Columns(columns);
    rule
}

/// Everything that is found, sorted: the kind and the key.
async fn found(group: &Group) -> Vec<String> {
    let mut checked = group.check().await.expect("is compared");
    let mut all = Vec::new();
    checked
        .findings
        .read(|finding| -> Result<(), LinksError> {
            all.push(format!("{} {}", finding.kind.name(), finding.key));
            Ok(())
        })
        .expect("is read");
    all.sort();
    all
}

async fn mended(app: &App, group: &Group) -> Result<lifeboat_links::FixReport, LinksError> {
    let mut checked = group.check().await?;
    group.can_fix(&checked)?;
    let mut confirmed = group.confirm(&mut checked).await?;
    fix(&app.path, &mut [(group, &mut confirmed)])
}

#[tokio::test]
async fn every_kind_of_finding() {
    let app =
        app("CREATE TABLE docs(id INTEGER PRIMARY KEY, file TEXT, stored_on TEXT, bytes, md5);
         INSERT INTO docs(file, stored_on, bytes) VALUES
           ('fine', NULL, NULL), ('sized', '', 5), ('short', 's3', 6), ('gone', 's3', NULL),
           ('elsewhere', 'local', NULL), ('twice', NULL, NULL), ('twice', 's3', NULL),
           (NULL, NULL, NULL), ('', NULL, NULL), ('bad//key', NULL, NULL);");
    app.put(&["fine", "sized", "short", "twice", "nobody/1", "nobody/2", ".lifeboat/x"]).await;
    let mut rule = columns(&["docs.file"]);
    rule.provider_column = Some("stored_on".into());
    rule.providers = vec!["s3".into(), String::new()];
    rule.size_column = Some("bytes".into());
    let group = app.group(vec![rule.clone()]).expect("opens");
    let expected = [
        "broken gone",
        "duplicate twice",
        "orphaned nobody/1",
        "orphaned nobody/2",
        "unusable bad//key",
        "wrong_size short",
    ];
    assert_eq!(found(&group).await, expected);
    let checked = group.check().await.expect("is compared");
    let all = checked.all();
    assert_eq!((all.mentions, all.healthy, all.elsewhere), (6, 4, 1));
    assert!(!checked.is_well());
    // A row that cannot be read may mean any object.
    let refused = checked.may_clean(None).expect_err("is refused");
    assert!(refused.to_string().contains("no key"), "{refused}");
    // One of six is more than ten per cent, unless that is said.
    assert!(checked.may_fix(None).is_err() && checked.may_fix(Some(2)).is_err());
    checked.may_fix(Some(1)).expect("is expected");
}

#[tokio::test]
async fn values_in_every_form() {
    let app = app("CREATE TABLE u(avatar); CREATE TABLE p(at BLOB); CREATE TABLE j(files);
         INSERT INTO u VALUES('https://m.example/u/a%20b.jpg?x=1'), ('https://other.example/z'),
           ('https://m.example/u/gone.jpg'), ('plain.jpg');
         INSERT INTO p VALUES(CAST('{\"key\":\"x.jpg\",\"provider\":\"s3\",\"size\":5}' AS BLOB)),
           ('{\"key\":\"y.jpg\",\"provider\":\"local\"}');
         INSERT INTO j VALUES('[{\"k\":\"1\"},{\"k\":\"2\"}]'), ('[]');");
    app.put(&["a b.jpg", "plain.jpg", "x.jpg", "j/1.bin"]).await;
    let mut urls = columns(&["u.avatar"]);
    urls.form.bases = vec!["https://m.example/u/".into()];
    let mut placements = columns(&["p.at"]);
    placements.form.placement = true;
    placements.providers = vec!["s3".into()];
    let mut json = columns(&["j.files"]);
    json.form = Form::default();
    json.form.json = JsonPath::parse("$[*].k");
    json.form.prefix = "j/".into();
    json.form.suffix = ".bin".into();
    json.on_broken = Some(OnBroken::Null);
    let group = app.group(vec![urls, placements, json]).expect("opens");
    assert_eq!(found(&group).await, ["broken gone.jpg", "broken j/2.bin"]);
    // NULL would take the other keys of the row with it.
    let checked = group.check().await.expect("is compared");
    let refused = group.can_fix(&checked).expect_err("is refused");
    assert!(refused.is_usage(), "{refused}");
}

#[tokio::test]
async fn rows_are_mended_as_their_rule_says() {
    let app = app("PRAGMA foreign_keys=ON;
         CREATE TABLE d(rowid TEXT, file TEXT COLLATE NOCASE);
         CREATE TABLE n(name TEXT PRIMARY KEY, \"odd \"\"col\" TEXT) WITHOUT ROWID;
         CREATE TABLE q(id INTEGER PRIMARY KEY, folder, file, lost DEFAULT 0);
         CREATE TABLE child(d REFERENCES q(id) ON DELETE CASCADE);
         INSERT INTO d VALUES('x', 'there'), ('y', 'gone-1');
         INSERT INTO n VALUES('k', 'gone-2'), ('l', 'there');
         INSERT INTO q(folder, file) VALUES('f', 'there'), ('f', 'gone');
         INSERT INTO child VALUES(2);");
    app.put(&["there", "f/there"]).await;
    let mut deleted = columns(&["d.file"]);
    deleted.on_broken = Some(OnBroken::Delete);
    let mut emptied = columns(&["n.odd \"col"]);
    emptied.on_broken = Some(OnBroken::Null);
    let mut asked = Rule::default();
    asked.name = "asked".into();
    asked.origin = Origin::Query("SELECT folder || '/' || file AS path, id FROM q".into());
    asked.on_broken = Some(OnBroken::parse("DELETE FROM q WHERE id = :id AND :key = :value"));
    let group = app.group(vec![deleted, emptied, asked]).expect("opens");
    assert_eq!(
        found(&group).await,
        ["broken f/gone", "broken gone-1", "broken gone-2", "duplicate there"]
    );
    let report = mended(&app, &group).await.expect("is mended");
    assert_eq!((report.deleted, report.emptied, report.ran, report.besides), (1, 1, 1, 1));
    assert_eq!(found(&group).await, ["duplicate there"]);
    assert_eq!(app.ask("SELECT group_concat(rowid) FROM d"), "x");
    assert_eq!(app.ask("SELECT group_concat(name) FROM n"), "k,l");
    assert_eq!(app.ask("SELECT CAST(count(*) AS TEXT) FROM child"), "0");
}

#[tokio::test]
async fn a_row_that_changed_meanwhile_is_left_alone() {
    let app = app("CREATE TABLE d(id INTEGER PRIMARY KEY, file TEXT COLLATE NOCASE);
         INSERT INTO d VALUES(1, 'gone'), (2, 'gone-too');");
    let mut rule = columns(&["d.file"]);
    rule.on_broken = Some(OnBroken::Delete);
    let group = app.group(vec![rule]).expect("opens");
    let mut checked = group.check().await.expect("is compared");
    let mut confirmed = group.confirm(&mut checked).await.expect("asks again");
    // Only the case differs, which the column does not mind.
    app.sql("UPDATE d SET file = 'GONE' WHERE id = 1");
    let report = fix(&app.path, &mut [(&group, &mut confirmed)]).expect("mends");
    assert_eq!((report.deleted, report.changed_meanwhile), (1, 1));
    assert_eq!(app.ask("SELECT group_concat(file) FROM d"), "GONE");
}

#[tokio::test]
async fn an_object_that_came_meanwhile_saves_its_row() {
    let app = app("CREATE TABLE d(file); INSERT INTO d VALUES('late'), ('gone');");
    let mut rule = columns(&["d.file"]);
    rule.on_broken = Some(OnBroken::Delete);
    let group = app.group(vec![rule]).expect("opens");
    let mut checked = group.check().await.expect("is compared");
    assert_eq!(checked.all().broken, 2);
    app.put(&["late"]).await;
    let mut confirmed = group.confirm(&mut checked).await.expect("asks again");
    let report = fix(&app.path, &mut [(&group, &mut confirmed)]).expect("mends");
    assert_eq!(report.deleted, 1);
    assert_eq!(app.ask("SELECT group_concat(file) FROM d"), "late");
}

#[tokio::test]
async fn an_error_takes_the_whole_of_it_back() {
    let app = app("CREATE TABLE d(file); INSERT INTO d VALUES('gone-1'), ('gone-2');
         CREATE TRIGGER t BEFORE DELETE ON d WHEN old.file = 'gone-2'
           BEGIN SELECT RAISE(ABORT, 'no'); END;");
    let mut rule = columns(&["d.file"]);
    rule.on_broken = Some(OnBroken::Delete);
    let group = app.group(vec![rule]).expect("opens");
    let error = mended(&app, &group).await.expect_err("the trigger refuses");
    assert!(matches!(error, LinksError::Sqlite { .. }), "{error}");
    assert_eq!(app.ask("SELECT CAST(count(*) AS TEXT) FROM d"), "2");
}

#[tokio::test]
async fn statements_do_what_mending_does() {
    let app = app("CREATE TABLE d(id INTEGER PRIMARY KEY, file); CREATE TABLE other(x);
         INSERT INTO d(file) VALUES('it''s'); INSERT INTO d(file) VALUES('a;DROP TABLE other;--');
         INSERT INTO d(file) VALUES(char(10) || '.quit'); INSERT INTO d(file) VALUES('there');");
    app.put(&["there"]).await;
    for on_broken in ["null", "delete"] {
        let mut rule = columns(&["d.file"]);
        rule.on_broken = Some(OnBroken::parse(on_broken));
        let group = app.group(vec![rule]).expect("opens");
        let mut checked = group.check().await.expect("is compared");
        let mut all = String::from("BEGIN;\n");
        let source = group.sources()[0].as_ref();
        let broken = checked.findings.read(|finding| {
            if let (Kind::Broken, Some(row)) = (finding.kind, &finding.mention) {
                all.push_str(&Dialect::Sqlite.statement(source, row)?);
            }
            Ok::<_, LinksError>(())
        });
        broken.expect("is read");
        app.sql(&(all + "COMMIT;"));
        let left = app.ask("SELECT group_concat(file) FROM d");
        assert_eq!(left, "\n.quit,there", "{on_broken}");
        app.sql("DELETE FROM d WHERE file IS NULL; INSERT INTO d(file) VALUES('it''s')");
    }
}

#[tokio::test]
async fn orphans_go_and_come_back() {
    let app = app("CREATE TABLE d(file); INSERT INTO d VALUES('a/kept');");
    app.put(&["a/kept", "a/orphan", "b/orphan", "c/kept2", "c/kept3"]).await;
    app.sql("INSERT INTO d VALUES('c/kept2'), ('c/kept3')");
    let group = app.group(vec![columns(&["d.file"])]).expect("opens");
    let mut checked = group.check().await.expect("is compared");
    assert_eq!((checked.orphaned, checked.objects), (2, 5));
    checked.may_clean(None).expect("is allowed");
    // Named meanwhile.
    app.sql("INSERT INTO d VALUES('b/orphan')");
    let report = group.clean(&mut checked, Removal::Quarantine, "run-1").await.expect("cleans");
    assert_eq!((report.removed, report.mentioned, report.changed), (1, 1, 0));
    assert!(found(&group).await.is_empty());
    assert_eq!(group.check().await.expect("is compared").quarantined, 1);
    let back = group.bring_back(None).await.expect("comes back").expect("there is one");
    assert_eq!((back.back, back.run.as_str()), (1, "run-1"));
    assert_eq!(found(&group).await, ["orphaned a/orphan"]);
    // What was put meanwhile is not overwritten.
    let mut checked = group.check().await.expect("is compared");
    let _ = group.clean(&mut checked, Removal::Quarantine, "run-2").await.expect("cleans");
    let put = app.store.create("a/orphan", "another".into()).await.expect("is put");
    assert_eq!(put, lifeboat_remote::Created::New);
    let back = group.bring_back(Some("run-2")).await.expect("is asked").expect("there is one");
    assert_eq!((back.back, back.failed.len()), (0, 1));
    let kept = app.store.get(".lifeboat/quarantine/run-2/a/orphan", 100).await.expect("reads");
    assert_eq!(kept.as_deref(), Some(&b"a/orphan"[..]));
}

#[tokio::test]
async fn rows_without_a_key_are_named_and_sizes_may_be_in_some_tables() {
    let app = app("CREATE TABLE d(file, bytes); INSERT INTO d VALUES('a/1', 9), ('x//y', 1);
         CREATE TABLE u(avatar); INSERT INTO u VALUES('a/2'), ('a/2'), ('gone')");
    app.put(&["a/1", "a/2", "a/3"]).await;
    let mut rule = columns(&["d.file", "u.avatar"]);
    rule.size_column = Some("bytes".to_owned());
    let group = app.group(vec![rule.clone()]).expect("one table has it");
    let all = found(&group).await;
    assert_eq!(
        all,
        ["broken gone", "duplicate a/2", "orphaned a/3", "unusable x//y", "wrong_size a/1"]
    );
    let mut rows = Vec::new();
    let mut checked = group.check().await.expect("is compared");
    let read = checked.findings.read(|finding| -> Result<(), LinksError> {
        if finding.kind == Kind::Unusable {
            rows.push(finding.mention.expect("says which row it is").row);
        }
        Ok(())
    });
    read.expect("is read");
    assert_eq!(rows, [[Value::Integer(2)]]);
    // What rows name, once each and in order, with what the listing shows.
    let mut mentioned = group.mentioned().await.expect("is read");
    let mut named = Vec::new();
    while let Some((key, seen)) = mentioned.advance().expect("is read") {
        named.push((key, seen.map(|seen| seen.size)));
    }
    let expected = [("a/1", Some(3)), ("a/2", Some(3)), ("gone", None)];
    assert_eq!(named, expected.map(|(key, size)| (key.to_owned(), size)));
    assert_eq!((mentioned.unusable.count, mentioned.unlisted), (1, None));
    rule.size_column = Some("length".to_owned());
    assert!(app.group(vec![rule]).is_err(), "no table has it");
}

#[tokio::test]
async fn young_objects_and_backups_are_left_alone() {
    let app = app("CREATE TABLE d(file); INSERT INTO d VALUES('kept'), ('kept-2');");
    app.put(&["kept", "kept-2", "new"]).await;
    let listed = app.store.stat("new").await.expect("asks").expect("is there");
    let mut group = app.group(vec![columns(&["d.file"])]).expect("opens");
    let mut options = Options::new(app.folder.path(), listed.modified + 3600);
    let source = Arc::clone(&group.sources()[0]);
    group = Group::new(app.store.clone(), vec![Arc::clone(&source)], options.clone());
    assert_eq!(group.check().await.expect("is compared").young, 1);
    options.grace = std::time::Duration::from_secs(3600);
    group = Group::new(app.store.clone(), vec![source], options);
    assert_eq!(group.check().await.expect("is compared").orphaned, 1);
    app.put(&["backups/databases/app/records/00000000000000000001"]).await;
    let checked = group.check().await.expect("is compared");
    let refused = checked.may_clean(None).expect_err("is refused");
    assert!(refused.to_string().contains("backups lie there"), "{refused}");
}

#[tokio::test]
async fn a_test_says_who_forgets() {
    let app = app("CREATE TABLE d(file, note); INSERT INTO d VALUES('kept', '');");
    app.put(&["kept"]).await;
    let mut rule = columns(&["d.file"]);
    rule.probe_insert = Some("INSERT INTO d(file, note) VALUES(:key, 'a test')".into());
    let group = app.group(vec![rule]).expect("opens");
    let database = group.sources()[0].database().expect("is one");
    let key = database.create_test(&app.store, "20261120T101530Z").await.expect("is left");
    let checked = group.check().await.expect("is compared");
    assert!(checked.is_well() && checked.all().mentions == 1, "{checked:?}");
    assert_eq!(
        (checked.probes[0].survived(), checked.probes[0].made()),
        (true, "20261120T101530Z")
    );
    // A store that forgets.
    let object = app.store.get(&key, 1000).await.expect("reads").expect("is there");
    app.store.delete(std::slice::from_ref(&key)).await.expect("deletes");
    let checked = group.check().await.expect("is compared");
    assert!(!checked.is_well() && !checked.probes[0].object && !checked.probes[0].rows.is_empty());
    assert_eq!(checked.all().broken, 0);
    // A database that forgets.
    assert_eq!(
        app.store.create(&key, object).await.expect("is put"),
        lifeboat_remote::Created::New
    );
    app.sql("DELETE FROM d WHERE note = 'a test'");
    let checked = group.check().await.expect("is compared");
    assert!(!checked.is_well() && checked.probes[0].object && checked.probes[0].rows.is_empty());
    group.remove_tests(&checked.probes).await.expect("is taken away");
    // And all of it.
    database.create_test(&app.store, "20261120T101531Z").await.expect("is left");
    let checked = group.check().await.expect("is compared");
    group.remove_tests(&checked.probes).await.expect("is taken away");
    let checked = group.check().await.expect("is compared");
    assert!(checked.is_well() && checked.probes.is_empty() && checked.objects == 1);
    // An INSERT whose row is not found is taken back, and so is the object.
    let mut rule = columns(&["d.file"]);
    rule.probe_insert = Some("INSERT INTO d(note) VALUES(:key)".into());
    let group = app.group(vec![rule]).expect("opens");
    let database = group.sources()[0].database().expect("is one");
    database.create_test(&app.store, "20261120T101532Z").await.expect_err("finds no row");
    assert_eq!(app.ask("SELECT CAST(count(*) AS TEXT) FROM d"), "1");
    assert_eq!(app.store.list("").await.expect("lists").len(), 1);
}

#[test]
fn rules_that_do_not_fit_are_refused() {
    let app = app("CREATE TABLE d(file); CREATE VIEW v AS SELECT file FROM d;");
    let check = |rule: Rule, words: &str| {
        let error = app.group(vec![rule]).err().expect("is refused");
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let text = format!("{error} {}", source.unwrap_or_default());
        assert!(text.contains(words), "{text}");
    };
    check(columns(&["nobody.file"]), "no table \"nobody\"");
    check(columns(&["d.fiel"]), "no column \"fiel\"");
    let mut rule = columns(&["d.file"]);
    rule.size_column = Some("bytes".into());
    check(rule, "size_column");
    for (query, words) in [
        ("SELECT nobody FROM d", "no such column"),
        ("DELETE FROM d RETURNING file", "changes something"),
        ("COMMIT", "returns no rows"),
        ("SELECT 1; DROP TABLE d", "more than one statement"),
    ] {
        let mut rule = Rule::default();
        rule.origin = Origin::Query(query.into());
        check(rule, words);
    }
    app.group(vec![columns(&["v.file"])]).expect("a view can be compared");
}
