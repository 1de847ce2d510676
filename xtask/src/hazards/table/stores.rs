//! Restores and object stores.

use super::{END_TO_END, FORMAT, Hazard, REMOTE, REPOSITORY, SNAPSHOT, hazard, without};

pub(super) const ALL: &[Hazard] = &[
    hazard(
        16,
        "a stale WAL beside a restored file is replayed into it",
        &["replace::a_stale_wal", "replace::sidecars_of_the_old_one", "staged::what_is_in_the_way"],
        without(
            (SNAPSHOT, "replace::a_stale_wal"),
            "crates/lifeboat-snapshot/src/replace/swap.rs",
            (r#"["-journal", "-wal", "-shm"]"#, r#"["-journal", "-shm"]"#),
            "the WAL stays where it is",
        ),
    ),
    hazard(
        17,
        "the old database is gone before the new one is proven",
        &[
            "staged::a_flipped_byte_is_found",
            "replace_kills::a_swap_in_wal_mode",
            "crashes::a_restore_killed_at_every_step",
            "crashes::a_restore_in_place_killed_at_every_step",
        ],
        without(
            (SNAPSHOT, "staged::a_flipped_byte_is_found"),
            "crates/lifeboat-snapshot/src/staged.rs",
            ("        if found != *expected {", "        if false {"),
            "the image is not compared with its digest",
        ),
    ),
    hazard(
        18,
        "a gap in the chain is taken for its end",
        &[
            "damage::a_gap_in_the_log",
            "damage::damage_is_named",
            "checks::damage::every_object_missing",
        ],
        without(
            (REPOSITORY, "rules::damage::a_gap_in_the_log"),
            "crates/lifeboat-repository/src/log.rs",
            (
                "return Err(ReadError::Gap { key, beyond });",
                "let _ = (key, beyond);\n                return Ok(newest);",
            ),
            "a record beyond a hole is passed over",
        ),
    ),
    hazard(
        19,
        "verified without reading",
        &[
            "shares::what_was_not_read_is_not_verified",
            "checks::damage::every_byte_class_of_every_kind",
            "checks::damage::every_byte_class_of_every_sealed_kind",
        ],
        without(
            (REPOSITORY, "checks::shares::what_was_not_read_is_not_verified"),
            "crates/lifeboat-repository/src/proofs.rs",
            ("            if is_all(&self.covered) {\n", "            if true {\n"),
            "a share that was read counts as all",
        ),
    ),
    hazard(
        20,
        "what is remembered runs ahead of what was stored",
        &[
            "commits::a_cache_that_is_newer_than_the_store",
            "uploads::an_interrupted_backup_goes_on",
            "faults::killed_in_the_middle_of_a_first_backup",
            "crashes::a_backup_killed_at_every_step",
        ],
        without(
            (REPOSITORY, "rules::commits::a_cache_that_is_newer_than_the_store"),
            "crates/lifeboat-repository/src/log.rs",
            (
                "                    if expect != Some(newest.unwrap_or(RecordNo(0))) {",
                "                    if false {",
            ),
            "a store that has less than was seen of it is believed",
        ),
    ),
    hazard(
        21,
        "success whose answer is lost",
        &[
            "tests::a_lost_answer_is_found_out",
            "commits::a_lost_answer_is_one_snapshot",
            "faults::the_answer_to_the_record_is_lost",
        ],
        without(
            (REMOTE, "remote::tests::a_lost_answer_is_found_out"),
            "crates/lifeboat-remote/src/remote/create.rs",
            (
                "        match self.get_once(key, size).await {\n            Ok(Some(there)) if is_concat(&there, parts) => {",
                "        match self.get_once(key, size).await {\n            Ok(Some(there)) if is_concat(&there, parts) && false => {",
            ),
            "what lies there is not compared with what was put",
        ),
    ),
    hazard(
        22,
        "two writers, and an old owner that wakes",
        &[
            "owners::an_old_owner_wakes_after_a_take_over",
            "owners::a_restarted_owner_sends_nothing",
            "commits::two_writers_at_once",
            "two_at_once::where_conditions_are_ignored",
        ],
        without(
            (REPOSITORY, "rules::owners::a_restarted_owner_sends_nothing"),
            "crates/lifeboat-repository/src/ownership.rs",
            (
                "                Ownership::Refuse => false,",
                "                Ownership::Refuse => true,",
            ),
            "whoever writes takes the database over",
        ),
    ),
    hazard(
        23,
        "objects that are cut, or empty",
        &[
            "object::every_flipped_bit_and_every_cut_is_found",
            "checks::damage::every_cut",
            "damage::plain::first_part",
        ],
        without(
            (FORMAT, "object::tests::every_flipped_bit_and_every_cut_is_found"),
            "crates/lifeboat-format/src/object.rs",
            ("    if Digest::of(content).as_bytes() != digest {", "    if false {"),
            "an object is not compared with its digest",
        ),
    ),
    hazard(
        24,
        "listings that are stale, paged or empty",
        &[
            "collection::a_collector_with_a_stale_listing",
            "pruning::undelete_with_a_collector_whose_listings_lie",
            "links::a_store_that_cannot_be_believed_mends_nothing",
            "tests::a_page_that_never_comes_ends_the_listing",
        ],
        without(
            (REPOSITORY, "rules::collection::a_collector_with_a_stale_listing"),
            "crates/lifeboat-repository/src/log.rs",
            (
                "        let mut taken = from.map_or(0, |number| number.0);\n",
                "        let listed = self.remote().list(&self.keys.records()).await?;\n        \
                 let shown = listed.iter().filter_map(|one| self.keys.record_number(&one.key)).max();\n        \
                 if shown.is_some() {\n            return Ok(shown);\n        }\n        \
                 let mut taken = from.map_or(0, |number| number.0);\n",
            ),
            "the newest record is the last that a listing shows",
        ),
    ),
    hazard(
        25,
        "retention deletes what is still needed",
        &[
            "model::the_first_history",
            "collection::the_time_of_grace",
            "collection::a_slow_writer_and_a_collector",
            "collection::a_slow_collector_and_a_writer",
            "pruning::a_collector_between_its_record_and_its_deletions",
        ],
        without(
            (REPOSITORY, "rules::collection::the_time_of_grace"),
            "crates/lifeboat-repository/src/collect.rs",
            ("            .filter(|object| is_older(object.modified, now, options.grace))\n", ""),
            "what was put a moment ago is collected as well",
        ),
    ),
    hazard(
        26,
        "clocks that jump or differ",
        &[
            "examples::the_future",
            "planner::a_clock_that_is_set_back",
            "desk::a_clock_that_is_set_back",
            "years::two_years",
            "health::a_clock_that_differs",
        ],
        without(
            ("lifeboat-retention", "examples::the_future"),
            "crates/lifeboat-retention/src/plan.rs",
            ("            future: candidate.taken_at > now,", "            future: false,"),
            "times of the future count as any other",
        ),
    ),
    hazard(
        27,
        "a machine that was set back overwrites what is newer",
        &[
            "owners::a_machine_that_was_set_back",
            "owners::a_twin_is_stopped",
            "owners::a_history_that_was_replaced",
        ],
        without(
            (REPOSITORY, "rules::owners::a_twin_is_stopped"),
            "crates/lifeboat-repository/src/ownership.rs",
            ("Some(number) => Err(WriteError::Twin { number }),", "Some(_) => Ok(()),"),
            "a record of one's own that one does not remember is nothing to stop for",
        ),
    ),
    hazard(
        28,
        "success is said before the file and its directory are on the disk",
        &[
            "hazards::what_was_said_to_be_stored_is_on_the_disk",
            "directory::what_is_found_is_synced_before_it_counts",
        ],
        without(
            (END_TO_END, "hazards::what_was_said_to_be_stored_is_on_the_disk"),
            "crates/lifeboat-remote/src/open/directory.rs",
            (".with_fsync(true)", ".with_fsync(false)"),
            "a directory is written to without syncing",
        ),
    ),
    hazard(
        29,
        "uploads in parts that nobody ends, or that overwrite",
        &[
            "archives::parts_of_an_archive_that_failed_are_given_up",
            "archives::an_archive_lives_as_long_as_its_snapshot",
        ],
        without(
            (REPOSITORY, "archives::parts_of_an_archive_that_failed_are_given_up"),
            "crates/lifeboat-remote/src/upload.rs",
            ("            let _ = upload.abort().await;\n", ""),
            "an upload that failed is left as it is",
        ),
    ),
    hazard(
        30,
        "a full disk, a quota, no permission, no descriptors",
        &[
            "classify::a_full_disk_is_said",
            "replace_kills::a_full_disk_while_swapping",
            "replace_kills::a_full_disk_while_overwriting_in_wal_mode",
            "in_place::a_full_disk",
            "errors::what_permissions_forbid",
            "doctor::few_descriptors",
        ],
        without(
            (REMOTE, "classify::tests::a_full_disk_is_said"),
            "crates/lifeboat-remote/src/classify.rs",
            (
                "        _ if is_full(error) => Failure::Full,",
                "        _ if false => Failure::Full,",
            ),
            "a full disk is a failure like any other",
        ),
    ),
    hazard(
        31,
        "sizes and names that nobody vouches for",
        &[
            "tests::whatever_the_bytes_say_nothing_large_is_allocated",
            "fuzz::every_decoder_on_mutations",
            "decoders::pack_indexes_whose_digest_is_right_and_whose_fields_lie",
            "decoders::whatever_name_is_read_from_a_key_has_that_key",
        ],
        without(
            ("lifeboat-fuzz", "every_decoder_on_mutations"),
            "crates/lifeboat-format/src/pack/frame.rs",
            ("                && raw_len <= u64::from(MAX_FRAME_LEN)\n", ""),
            "a frame may be as large as it says",
        ),
    ),
    hazard(
        32,
        "an old program that half reads a new format",
        &[
            "object::newer_and_sealed_objects_are_named",
            "reader::newer_and_sealed_objects_are_refused_by_name",
            "damage::sealed::first_part",
        ],
        without(
            (FORMAT, "object::tests::newer_and_sealed_objects_are_named"),
            "crates/lifeboat-format/src/object.rs",
            ("    if min_reader > FORMAT_VERSION {", "    if false {"),
            "the oldest reader is not looked at",
        ),
    ),
];
