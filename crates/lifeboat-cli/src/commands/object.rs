//! `lifeboat object`: any object on a primary store or a fallback.

use std::path::Path;

use lifeboat::Error;
use lifeboat::config::Objects;
use lifeboat::objects::{self, Content, FallbackStore, Placement};
use serde_json::json;

use crate::arguments::{Arguments, ObjectArguments, ObjectCommand, Which};
use crate::exit::Exit;
use crate::report::Reporter;
use crate::text::{shown, size};
use lifeboat::hint::About;

pub(crate) async fn run(
    arguments: &Arguments,
    object: &ObjectArguments,
    reporter: &Reporter,
) -> Exit {
    match work(arguments, object, reporter).await {
        Ok(()) => Exit::Ok,
        Err(error) => reporter.error("", &error, About::Object),
    }
}

async fn work(
    arguments: &Arguments,
    object: &ObjectArguments,
    reporter: &Reporter,
) -> Result<(), Error> {
    let setup = arguments.setup();
    let mut objects = setup.configuration().settings().objects.clone();
    typed(object, &mut objects);
    let store = objects::open(&objects, setup.environment())?;
    match &object.command {
        ObjectCommand::Put { file, key, content_type, metadata, replace } => {
            let mut content = Content::file(file).await?;
            if let Some(content_type) = content_type {
                content = content.with_type(content_type);
            }
            for (name, value) in metadata {
                content = content.with_metadata(name, value);
            }
            let placement = match replace {
                true => store.replace(key, &content).await?,
                false => store.put(key, &content).await?,
            };
            tell(reporter, "is stored", &placement);
        }
        ObjectCommand::Get { which, output } => get(&store, which, output, reporter).await?,
        ObjectCommand::Rm { which } => {
            let deleted = store.delete(&placement(which)).await?;
            let line =
                format!("{} is gone from {}", shown(&which.key), deleted.providers.join(" and "));
            let object = json!({ "key": which.key, "deleted_from": deleted.providers });
            reporter.told(object, &[line]);
        }
        ObjectCommand::Stat { which } => {
            tell(reporter, "lies", &store.stat(&placement(which)).await?);
        }
        ObjectCommand::Url { which, valid } => {
            // What was moved lies elsewhere than an old placement says.
            let there = store.stat(&placement(which)).await?;
            let url = store.url(&there, *valid).await?;
            let object = json!({ "key": there.key, "provider": there.provider, "url": url });
            reporter.told(object, &[url]);
        }
        ObjectCommand::Migrate { which, to, keep } => {
            let moved = store.migrate(&placement(which), to).await?;
            if !keep {
                store.prune(&moved).await?;
            }
            tell(reporter, "lies now", &moved);
        }
    }
    Ok(())
}

async fn get(
    store: &FallbackStore,
    which: &Which,
    output: &Path,
    reporter: &Reporter,
) -> Result<(), Error> {
    let object = store.get(&placement(which)).await?;
    let provider = object.provider.clone();
    let bytes = object.save(output).await?;
    let line = format!("{} is written: {}, from {provider}", output.display(), size(bytes));
    let told = json!({
        "key": which.key, "provider": provider, "file": output.display().to_string(), "size": bytes,
    });
    reporter.told(told, &[line]);
    Ok(())
}

/// What was typed counts more than what is set.
fn typed(object: &ObjectArguments, objects: &mut Objects) {
    let split = |text: &str| match text.split_once('=') {
        // A URL may have a query, and a path may have anything.
        Some((name, url)) if !name.is_empty() && !name.contains(['/', ':', '.', '?']) => {
            (Some(name.to_owned()), url.to_owned())
        }
        _ => (None, text.to_owned()),
    };
    if let Some((name, url)) = object.primary.as_deref().map(split) {
        (objects.primary, objects.primary_name, objects.public_base) = (Some(url), name, None);
    }
    if let Some((name, url)) = object.fallback.as_deref().map(split) {
        (objects.fallback, objects.fallback_name) = (Some(url), name);
    }
}

fn placement(which: &Which) -> Placement {
    match &which.provider {
        Some(provider) => Placement::at(provider, &which.key),
        None => Placement::unknown(&which.key),
    }
}

fn tell(reporter: &Reporter, what: &str, placement: &Placement) {
    let provider = placement.provider.as_deref().unwrap_or_default();
    let bytes = placement.size.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default();
    let line = format!("{} {what} with {provider}{bytes}", shown(&placement.key));
    let object = json!({
        "provider": placement.provider,
        "key": placement.key,
        "size": placement.size,
        "etag": placement.etag,
        "content_type": placement.content_type,
        "metadata": placement.metadata,
    });
    reporter.told(object, &[line]);
}
