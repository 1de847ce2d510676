//! A Debian package, made by dpkg-deb of what was gathered.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{copy, epoch, folder};
use crate::process;

/// What Debian calls this kind of machine, where it has the program that packs.
pub(super) fn architecture() -> Option<String> {
    let text = process::output(Command::new("dpkg").arg("--print-architecture")).ok()?;
    process::answers("dpkg-deb", &["--version"]).then(|| text.trim().to_owned())
}

/// Files of the gathered folder, and where they are installed.
const INSTALLED: &[(&str, &str)] = &[
    ("lifeboat", "usr/bin/lifeboat"),
    ("completions/lifeboat.bash", "usr/share/bash-completion/completions/lifeboat"),
    ("completions/lifeboat.fish", "usr/share/fish/vendor_completions.d/lifeboat.fish"),
    ("completions/_lifeboat", "usr/share/zsh/vendor-completions/_lifeboat"),
    ("systemd/lifeboat.service", "usr/lib/systemd/system/lifeboat.service"),
    ("systemd/lifeboat-backup.service", "usr/lib/systemd/system/lifeboat-backup.service"),
    ("systemd/lifeboat-backup.timer", "usr/lib/systemd/system/lifeboat-backup.timer"),
    ("lifeboat.example.toml", "usr/share/doc/lifeboat/examples/lifeboat.toml"),
    ("README.md", "usr/share/doc/lifeboat/README.md"),
    ("reader/lifeboat_reader.py", "usr/share/lifeboat/reader/lifeboat_reader.py"),
    ("reader/lifeboat_objects.py", "usr/share/lifeboat/reader/lifeboat_objects.py"),
    ("reader/format.md", "usr/share/lifeboat/reader/format.md"),
];

/// Packs it; returns the name of the package.
pub(super) fn pack(
    gathered: &Path,
    dist: &Path,
    version: &str,
    architecture: &str,
) -> Result<String> {
    let root = tempfile::tempdir().context("a temporary folder cannot be made")?;
    let tree = folder(root.path().join("lifeboat"))?;
    for (from, to) in INSTALLED {
        let to = tree.join(to);
        folder(to.parent().context("it lies in the tree")?.to_owned())?;
        copy(&gathered.join(from), &to)?;
    }
    // Settings hold secrets, or the names of files that do.
    let etc = folder(tree.join("etc/lifeboat"))?;
    let pages = folder(tree.join("usr/share/man/man1"))?;
    for page in fs::read_dir(gathered.join("man"))? {
        let page = page?;
        compress(&page.path(), &pages.join(page.file_name()))?;
    }
    let doc = tree.join("usr/share/doc/lifeboat");
    compress(&gathered.join("CHANGELOG.md"), &doc.join("changelog"))?;
    fs::write(doc.join("copyright"), copyright(gathered)?)?;
    let kilobytes = size(&tree)?.div_ceil(1024);
    let control = folder(tree.join("DEBIAN"))?;
    fs::write(control.join("control"), metadata(version, architecture, kilobytes))?;
    for (name, text) in [("postinst", RELOAD), ("postrm", RELOAD)] {
        fs::write(control.join(name), text)?;
    }
    // Whatever this user's new files may be.
    let mut modes = Command::new("chmod");
    process::run(modes.args(["-R", "u=rwX,go=rX"]).arg(&tree))?;
    let mut modes = Command::new("chmod");
    let programs =
        [tree.join("usr/bin/lifeboat"), control.join("postinst"), control.join("postrm")];
    process::run(modes.arg("755").args(programs))?;
    process::run(Command::new("chmod").arg("700").arg(etc))?;
    let name = format!("lifeboat_{version}_{architecture}.deb");
    let mut deb = Command::new("dpkg-deb");
    deb.args(["--root-owner-group", "--build"]).arg(&tree).arg(dist.join(&name));
    // So that equal content is an equal package.
    deb.env("SOURCE_DATE_EPOCH", epoch());
    process::output(&mut deb)?;
    Ok(name)
}

/// systemd hears of units that came and went, where it runs. Nothing is started: without
/// settings there is nothing to back up.
const RELOAD: &str = "\
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
";

fn metadata(version: &str, architecture: &str, kilobytes: u64) -> String {
    format!(
        "\
Package: lifeboat
Version: {version}
Architecture: {architecture}
Maintainer: The Lifeboat developers <lifeboat@localhost>
Section: admin
Priority: optional
Installed-Size: {kilobytes}
Recommends: ca-certificates
Suggests: sqlite3, python3
Description: backups of live SQLite databases that are proven to restore
 Lifeboat takes a consistent snapshot of a database while an application writes
 to it, sends only the pages that changed to a directory or a bucket, and brings
 any snapshot back as a file in which every page was checked.
"
    )
}

fn copyright(gathered: &Path) -> Result<String> {
    let mit = fs::read_to_string(gathered.join("LICENSE-MIT"))?;
    Ok(format!(
        "Lifeboat is licensed under MIT or Apache-2.0, as you like. Apache-2.0 is in\n\
         /usr/share/common-licenses/Apache-2.0; MIT is:\n\n{mit}"
    ))
}

/// As `gzip` does it, without a name and a time.
fn compress(from: &Path, to: &Path) -> Result<()> {
    let mut name = to.as_os_str().to_owned();
    name.push(".gz");
    let file = fs::File::create(&name).context("a compressed file cannot be made")?;
    let mut gzip = Command::new("gzip");
    let status = gzip.args(["-9", "--no-name", "--stdout"]).arg(from).stdout(file).status();
    anyhow::ensure!(status?.success(), "gzip failed for {}", from.display());
    Ok(())
}

fn size(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        total += if is_folder { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::companions::gather;

    /// A script in the place of the binary: what is packed is looked at, not run.
    const STAND_IN: &str = "#!/bin/sh
case \"$*\" in
completions*) echo \"a script\" ;;
*man*) for last; do :; done; echo '.SH NAME' > \"$last/lifeboat.1\" ;;
esac
";

    #[test]
    fn a_package_has_what_it_installs_and_is_the_same_again() {
        let Some(architecture) = architecture() else {
            panic!("dpkg-deb is missing: the package would not be tested");
        };
        let dist = tempfile::tempdir().expect("a temporary folder");
        let binary = dist.path().join("stand-in");
        fs::write(&binary, STAND_IN).expect("writes");
        let made = Command::new("chmod").arg("755").arg(&binary).status().expect("runs");
        assert!(made.success());
        let gathered = dist.path().join("lifeboat-0.0.0");
        let root = process::root().expect("the test runs under cargo");
        gather(&root, &binary, &gathered).expect("it is gathered");
        let packed = || {
            let name = pack(&gathered, dist.path(), "0.0.0", &architecture).expect("it is packed");
            dist.path().join(name)
        };
        let package = packed();
        let first = fs::read(&package).expect("it is there");
        assert!(first == fs::read(packed()).expect("it is there"), "equal content, equal package");
        let ask = |how: &str| {
            process::output(Command::new("dpkg-deb").arg(how).arg(&package)).expect("is a package")
        };
        let listed = ask("--contents");
        for (_, path) in INSTALLED {
            assert!(listed.contains(&format!(" ./{path}\n")), "{path}: {listed}");
        }
        assert!(listed.contains("-rwxr-xr-x root/root"), "{listed}");
        assert!(listed.contains("drwx------ root/root         0 1970-01-01 00:00 ./etc/lifeboat/"));
        assert!(listed.contains("./usr/share/man/man1/lifeboat.1.gz"), "{listed}");
        assert!(ask("--info").contains("Version: 0.0.0"));
    }
}
