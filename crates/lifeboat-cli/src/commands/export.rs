//! `lifeboat export`: a snapshot as a single file.

use lifeboat::repository::Selector;
use lifeboat::{Destination, ExportForm, ReadAs, RestoreSettings, Whole};
use serde_json::json;

use super::restore::{name_of, named};
use crate::arguments::{Arguments, ExportArguments};
use crate::exit::Exit;
use crate::progress;
use crate::report::Reporter;
use crate::text::size;
use lifeboat::hint::About;

pub(crate) async fn run(
    arguments: &Arguments,
    export: &ExportArguments,
    reporter: &Reporter,
) -> Exit {
    let selector = match named(export.snapshot.as_deref()) {
        Ok(selector) => selector,
        Err(refusal) => {
            reporter.refuse(&refusal);
            return refusal.exit;
        }
    };
    let form = match (export.zstd, export.sealed) {
        (true, _) => ExportForm::Zstd,
        (_, true) => ExportForm::Sealed,
        _ => ExportForm::Plain,
    };
    let name = name_of(arguments, &export.name);
    let done = async {
        let mut settings = RestoreSettings::default();
        settings.progress = progress::show(reporter.progress(), &name);
        let announce = |snapshot: &_| reporter.will_restore(&name, snapshot);
        let (name, out, with, announce) = (&name, &export.output, &settings, &announce);
        let job = |destination: Destination, selector: Selector| async move {
            destination.export(name, &selector, out, form, with, announce).await
        };
        let how = (ReadAs::Helped, false);
        super::at_first_whole(arguments, name, &selector, how, job).await
    };
    match done.await {
        Ok(Whole { report, failed, .. }) => {
            super::tell_detours(reporter, &failed, &report.from_elsewhere);
            let file = export.output.display().to_string();
            let bytes = std::fs::metadata(&export.output).map_or(0, |data| data.len());
            let line = format!("{name}: {} written to {file}, proven", size(bytes));
            let id = report.snapshot_id.to_string();
            let object = json!({ "snapshot_id": id, "file": file, "size": bytes });
            reporter.told(object, &[line]);
            Exit::Ok
        }
        Err(error) => reporter.error(&name, &error, About::Restore),
    }
}
