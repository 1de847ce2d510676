//! SQLite and the operating system.

use super::{FORMAT, Hazard, SNAPSHOT, SQLITE, WAL, hazard, without};

pub(super) const ALL: &[Hazard] = &[
    hazard(
        1,
        "the WAL-reset bug of SQLite before 3.51.3",
        &[
            "odd::reserved_bytes_and_old_libraries",
            "hazards::the_wal_reset_bug",
            "main::the_library_is_without_the_wal_reset_bug",
        ],
        without(
            (SNAPSHOT, "odd::reserved_bytes_and_old_libraries"),
            "crates/lifeboat-snapshot/src/live.rs",
            ("(1..MIN_SAFE_VERSION).contains(&version)", "(1..2).contains(&version)"),
            "no version that wrote the database is too old",
        ),
    ),
    hazard(
        2,
        "locks that vanish when any descriptor of the file is closed in the process",
        &["locks::in_wal_mode", "locks::in_rollback_mode", "live::a_lost_lock_is_noticed"],
        without(
            (SNAPSHOT, "locks::in_rollback_mode"),
            "crates/lifeboat-snapshot/src/live.rs",
            (
                "        let touch = Touch::of(&self.path).map_err(Fault::Io)?;\n        Ok((read, touch))",
                "        drop(std::fs::File::open(&self.path));\n        let touch = \
                 Touch::of(&self.path).map_err(Fault::Io)?;\n        Ok((read, touch))",
            ),
            "the file is opened and closed once more beside SQLite",
        ),
    ),
    hazard(
        3,
        "another process closes last: the WAL goes, and the next is another file",
        &[
            "live::it_goes_on_where_it_ended_if_that_is_proven",
            "live::equal_salts_prove_nothing",
            "live::the_last_to_close_tidies_up",
            "writers::in_wal_mode",
        ],
        without(
            (WAL, "live::it_goes_on_where_it_ended_if_that_is_proven"),
            "crates/lifeboat-wal/src/pins.rs",
            ("                    && from.salts == seen.end.salts\n", ""),
            "a WAL is gone on with whatever its salts are",
        ),
    ),
    hazard(
        4,
        "a reader of a WAL that was copied back pins nothing in it",
        &[
            "explore::writers_and_checkpoints_of_every_mode",
            "explore::readers",
            "live::idle_it_holds_nobody_up",
        ],
        without(
            (WAL, "explore::writers_and_checkpoints_of_every_mode"),
            "crates/lifeboat-wal/src/pins.rs",
            (
                "            if !allowed {\n                return self.stop(Stop::Restarted);",
                "            if false {\n                return self.stop(Stop::Restarted);",
            ),
            "a WAL that began anew under the pins is gone on with",
        ),
    ),
    hazard(
        5,
        "the WAL begins anew in place, with the same size",
        &["fingerprint::salts_alone_tell_states_apart", "changes::a_wal_restarted_in_place"],
        without(
            (SNAPSHOT, "fingerprint::tests::salts_alone_tell_states_apart"),
            "crates/lifeboat-snapshot/src/fingerprint.rs",
            (
                "    bytes.extend_from_slice(&header.bytes);",
                "    bytes.extend_from_slice(&header.bytes[..0]);",
            ),
            "a state is told by size and times alone",
        ),
    ),
    hazard(
        6,
        "frames that were never committed",
        &[
            "writers::what_is_not_committed",
            "writers::phantom_commits",
            "writers::a_wal_that_contradicts_its_index_is_an_error",
            "hazards::killed_writers",
        ],
        without(
            (SNAPSHOT, "writers::a_wal_that_contradicts_its_index_is_an_error"),
            "crates/lifeboat-snapshot/src/image.rs",
            ("if page == 0 || header[8..16] != position.header.salts {", "if page == 0 {"),
            "frames count whatever their salts are",
        ),
    ),
    hazard(
        7,
        "VACUUM shrinks the file, and old pages come back",
        &["changes::vacuum_shrinks", "round_trip::growing_shrinking_and_growing_again"],
        without(
            (SNAPSHOT, "changes::vacuum_shrinks"),
            "crates/lifeboat-snapshot/src/wal_capture.rs",
            (
                "Geometry::new(page_size, index.page_count)",
                "Geometry::new(page_size, (file.size()? / u64::from(page_size.bytes())) as u32)",
            ),
            "the size is that of the file, and not what the last commit says",
        ),
    ),
    hazard(
        8,
        "the page size: of 65,536, stored as 1; or changed meanwhile",
        &[
            "wal_index::page_sizes_of_two_bytes",
            "changes::the_page_size_changes_while_nobody_watches",
            "hazards::the_page_size_changed",
        ],
        without(
            (SQLITE, "wal_index::tests::page_sizes_of_two_bytes"),
            "crates/lifeboat-sqlite/src/wal_index.rs",
            ("(size & 0xfe00) + ((size & 1) << 16)", "size"),
            "the two bytes are taken as they are",
        ),
    ),
    hazard(
        9,
        "the lock page at 1 GiB",
        &[
            "geometry::the_lock_page_holds_no_data",
            "images::the_lock_page_of_large_pages",
            "images::the_lock_page_of_small_pages",
            "hazards::the_lock_page",
        ],
        without(
            (FORMAT, "geometry::tests::the_lock_page_holds_no_data"),
            "crates/lifeboat-format/src/geometry.rs",
            ("        if self.lock_page().is_some() {\n", "        if false {\n"),
            "the lock page counts as any other",
        ),
    ),
    hazard(
        10,
        "journal modes, hot journals, exclusive locking, a read-only directory",
        &[
            "odd::a_hot_journal_is_rolled_back",
            "odd::a_journal_in_use_is_not_hot",
            "odd::an_application_in_exclusive_mode",
            "images::persist",
            "hazards::a_read_only_directory",
        ],
        without(
            (SNAPSHOT, "odd::a_hot_journal_is_rolled_back"),
            "crates/lifeboat-snapshot/src/live.rs",
            ("if hot && !journal::has_content(&journal) {", "if false {"),
            "nobody is told of a journal that was rolled back",
        ),
    ),
    hazard(
        11,
        "names of files: links, relative ones, spaces, bytes that are no text",
        &["odd::names", "odd::relative_names", "uri::every_odd_byte_is_encoded"],
        without(
            (SQLITE, "uri::tests::every_odd_byte_is_encoded"),
            "crates/lifeboat-sqlite/src/uri.rs",
            (
                "            b'/' | b'.' | b'-'",
                "            b'?' | b'#' | b'%' | b'/' | b'.' | b'-'",
            ),
            "bytes that mean something to SQLite stand in a name as they are",
        ),
    ),
    hazard(
        12,
        "the database is replaced by another file",
        &[
            "odd::a_replaced_database",
            "hazards::the_file_was_replaced",
            "live::a_replaced_database_is_noticed",
        ],
        without(
            (SNAPSHOT, "odd::a_replaced_database"),
            "crates/lifeboat-snapshot/src/live.rs",
            ("if moved || self.connection.has_moved()? {", "if false {"),
            "nobody looks whether the file is still the same",
        ),
    ),
    hazard(
        13,
        "reserved bytes, and databases that are encrypted",
        &["odd::reserved_bytes_and_old_libraries", "hazards::reserved_bytes"],
        without(
            (SNAPSHOT, "odd::reserved_bytes_and_old_libraries"),
            "crates/lifeboat-snapshot/src/header.rs",
            ("reserved_bytes: self.0[20],", "reserved_bytes: 0,"),
            "the header is not asked for reserved bytes",
        ),
    ),
    hazard(
        14,
        "a copy that is torn, or begins anew for ever, under a writer",
        &[
            "rollback::commits_between_slices",
            "rollback::the_database_grows_between_slices",
            "live::persist_each_snapshot_is_one_commit",
        ],
        without(
            (SNAPSHOT, "rollback::commits_between_slices"),
            "crates/lifeboat-snapshot/src/rollback_capture.rs",
            (
                "            self.settled_from = self.next;\n",
                "            self.settled_from = 0;\n",
            ),
            "what was read before a commit still counts after it",
        ),
    ),
    hazard(
        15,
        "a snapshot that moves the pages, so that half of them changed",
        &[
            "images::delete",
            "round_trip::what_changed_is_sent_and_nothing_else",
            "sizes::one_per_cent_of_256_mib",
        ],
        without(
            (SNAPSHOT, "images::delete"),
            "crates/lifeboat-snapshot/src/diff.rs",
            ("if self.known.get(i) != Some(&hash) {", "if true {"),
            "every block of a group that changed counts as changed",
        ),
    ),
];
