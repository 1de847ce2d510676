//! The operations, and how many points each has.

use lifeboat_remote::Fencing;

use super::crash_points;
use super::operation::Operation;

/// A test for each operation and each way in which a store keeps writers apart, with
/// the number of points that are tried at least. Where conditions are ignored, those
/// that commit in rounds are many times as many: most of them on request, by
/// `cargo xtask crashes`.
macro_rules! points {
    ($($test:ident: $operation:ident, $create:literal, $rounds:literal $(, $often:ident)?;)+) => {
        /// The points of all operations where creating is conditional, and all.
        const POINTS: [usize; 2] = [0 $(+ $create)+, 0 $(+ $create + $rounds)+];

        $(mod $test {
            use super::*;

            #[test]
            fn where_creating_is_conditional() {
                enough(Operation::$operation, Fencing::Create, $create);
            }

            points!(@rounds $operation, $rounds $(, $often)?);
        })+
    };
    (@rounds $operation:ident, $rounds:literal) => {
        #[test]
        #[ignore = "takes minutes, all of them together: `cargo xtask crashes`"]
        fn where_conditions_are_ignored() {
            enough(Operation::$operation, Fencing::Rounds, $rounds);
        }
    };
    (@rounds $operation:ident, $rounds:literal, often) => {
        #[test]
        fn where_conditions_are_ignored() {
            enough(Operation::$operation, Fencing::Rounds, $rounds);
        }
    };
}

fn enough(operation: Operation, fencing: Fencing, least: usize) {
    // Every operation is in one future here, which is larger than any that is shipped:
    // without optimisation it needs more than the usual stack.
    let all = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("builds");
        runtime.block_on(crash_points(operation, fencing))
    };
    let thread = std::thread::Builder::new().stack_size(32 << 20).spawn(all).expect("starts");
    let points = match thread.join() {
        Ok(points) => points,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let all = std::env::var_os("LIFEBOAT_CRASH_POINT").is_none();
    assert!(points >= least || !all, "{operation:?}, {fencing:?}: only {points} of {least} points");
}

points! {
    init: Init, 34, 300;
    replicate: Replicate, 139, 450;
    first_backup: FirstBackup, 42, 42;
    backup: Backup, 66, 66, often;
    unchanged_backup: UnchangedBackup, 56, 56;
    full_backup: FullBackup, 50, 50;
    consolidating_backup: ConsolidatingBackup, 50, 50;
    raced_backup: RacedBackup, 89, 140;
    take_over: TakeOver, 80, 80;
    twin_backup: TwinBackup, 52, 52;
    archive: Archive, 70, 112;
    raced_archive: RacedArchive, 89, 140;
    forget: Forget, 55, 94, often;
    raced_forget: RacedForget, 74, 122;
    undelete: Undelete, 39, 78;
    pin: Pin, 39, 78;
    unpin: Unpin, 39, 78;
    collect: Collect, 86, 295;
    raced_collect: RacedCollect, 129, 345;
    check: Check, 123, 126;
    repair: Repair, 200, 200;
    heal: Heal, 171, 168;
    heal_log: HealLog, 344, 344;
    add_key: AddKey, 54, 60;
    remove_key: RemoveKey, 67, 66;
    replace_key: ReplaceKey, 149, 154;
    begin_data_key: BeginDataKey, 62, 104, often;
    begin_data_key_alone: BeginDataKeyAlone, 86, 128;
    return_from_fallback: ReturnFromFallback, 164, 164;
    copy: Copy, 232, 232;
    beat: Beat, 47, 50;
    say_failed: SayFailed, 27, 30;
    restore: Restore, 52, 52;
}

const _: () = assert!(POINTS[0] >= 2_000);

/// The numbers that are published: in continuous integration, and on request.
#[test]
fn all_points() {
    let thousands = |number: usize| format!("{},{:03}", number / 1000, number % 1000);
    let [often, all] = POINTS.map(thousands);
    println!("{often} crash points, and {all} with `cargo xtask crashes`");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (path, numbers) in
        [("README.md", vec![&often]), ("docs/reliability.md", vec![&often, &all])]
    {
        let text = std::fs::read_to_string(root.join(path)).expect("reads");
        for number in numbers {
            assert!(text.contains(&format!("{number} crash points")), "{path} has other numbers");
        }
    }
}
