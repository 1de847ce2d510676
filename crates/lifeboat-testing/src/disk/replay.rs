//! A file system that remembers what of it is safe.

use std::collections::BTreeMap;

use super::Tree;
use super::trace::Event;

/// How much of what was not synced is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it: names and contents.
    All,
    /// Contents; all names are there. What was written to a file since it was last
    /// synced reads as zeros: the rename came before the data.
    Contents,
    /// The same, and a file that was not synced ends where it did then.
    Lengths,
    /// Names; all contents are there.
    Names,
    /// Of each file the writes, and of each folder the changes, that a number says:
    /// changes of one folder stay in order, writes of one file need not.
    Some(u64),
}

impl Loss {
    /// One of each kind, and some by chance.
    pub const ALL: [Self; 6] =
        [Self::All, Self::Contents, Self::Lengths, Self::Names, Self::Some(1), Self::Some(2)];
}

#[derive(Clone, Debug, Default)]
struct File {
    safe: Vec<u8>,
    now: Vec<u8>,
    /// What was done since it was synced.
    since: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, written) => {
                let at = *at as usize;
                if bytes.len() < at + written.len() {
                    bytes.resize(at + written.len(), 0);
                }
                bytes[at..at + written.len()].copy_from_slice(written);
            }
            Self::Truncate(len) => bytes.resize(*len as usize, 0),
        }
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(usize),
    Folder(usize),
}

/// The names of one folder: a change is a name and what it stands for afterwards.
#[derive(Clone, Debug, Default)]
struct Folder {
    safe: BTreeMap<String, Node>,
    now: BTreeMap<String, Node>,
    since: Vec<Vec<(String, Option<Node>)>>,
}

pub(super) struct Replay {
    files: Vec<File>,
    folders: Vec<Folder>,
    seed: u64,
}

impl Replay {
    /// All of it is safe.
    pub(super) fn of(tree: &Tree) -> Self {
        let mut replay = Self { files: Vec::new(), folders: vec![Folder::default()], seed: 0 };
        // Folders come before what lies in them: the tree is in order.
        for (path, bytes) in tree {
            let node = match bytes {
                None => replay.new_folder(),
                Some(bytes) => {
                    let (safe, now) = (bytes.clone(), bytes.clone());
                    replay.files.push(File { safe, now, since: Vec::new() });
                    Node::File(replay.files.len() - 1)
                }
            };
            replay.name(&[(path, Some(node))]);
        }
        for folder in &mut replay.folders {
            folder.safe.clone_from(&folder.now);
            folder.since.clear();
        }
        replay
    }

    fn new_folder(&mut self) -> Node {
        self.folders.push(Folder::default());
        Node::Folder(self.folders.len() - 1)
    }

    fn find(&self, path: &str) -> Option<Node> {
        let mut node = Node::Folder(0);
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let Node::Folder(folder) = node else { return None };
            node = *self.folders[folder].now.get(part)?;
        }
        Some(node)
    }

    /// Names change, at once where they are in one folder.
    fn name(&mut self, changes: &[(&str, Option<Node>)]) {
        let mut of_folders: BTreeMap<usize, Vec<(String, Option<Node>)>> = BTreeMap::new();
        for (path, node) in changes {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Some(Node::Folder(parent)) = self.find(parent) else {
                panic!("{path} is in no folder");
            };
            of_folders.entry(parent).or_default().push(((*name).to_owned(), *node));
        }
        for (folder, changes) in of_folders {
            let folder = &mut self.folders[folder];
            apply(&changes, &mut folder.now);
            folder.since.push(changes);
        }
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::Create(path) => {
                if self.find(path).is_none() {
                    self.files.push(File::default());
                    let node = Node::File(self.files.len() - 1);
                    self.name(&[(path, Some(node))]);
                }
            }
            Event::Write(path, at, bytes) => {
                self.change(path, Change::Write(*at, bytes.clone()));
            }
            Event::Truncate(path, len) => self.change(path, Change::Truncate(*len)),
            Event::Sync(path) => match self.find(path) {
                Some(Node::File(file)) => {
                    let file = &mut self.files[file];
                    file.safe.clone_from(&file.now);
                    file.since.clear();
                }
                Some(Node::Folder(folder)) => {
                    let folder = &mut self.folders[folder];
                    folder.safe.clone_from(&folder.now);
                    folder.since.clear();
                }
                // It was open, and has no name any more.
                None => {}
            },
            Event::Link(from, to) => {
                let node = self.find(from);
                self.name(&[(to, node)]);
            }
            Event::Rename(from, to) => {
                let node = self.find(from);
                self.name(&[(from, None), (to, node)]);
            }
            Event::Unlink(path) | Event::Rmdir(path) => self.name(&[(path, None)]),
            Event::Mkdir(path) => {
                let node = self.new_folder();
                self.name(&[(path, Some(node))]);
            }
        }
    }

    fn change(&mut self, path: &str, change: Change) {
        // What has no name any more is lost in any case.
        let Some(Node::File(file)) = self.find(path) else { return };
        let file = &mut self.files[file];
        change.apply(&mut file.now);
        file.since.push(change);
    }

    /// What everybody sees while the power is on.
    pub(super) fn view(&self) -> Tree {
        self.tree(|folder| folder.now.clone(), |file| file.now.clone())
    }

    /// What is there when it comes back.
    pub(super) fn cut(&mut self, loss: Loss) -> Tree {
        if let Loss::Some(seed) = loss {
            self.seed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            return self.cut_by_chance();
        }
        let names = |folder: &Folder| match loss {
            Loss::All | Loss::Names => folder.safe.clone(),
            _ => folder.now.clone(),
        };
        let contents = |file: &File| match loss {
            Loss::All | Loss::Lengths => file.safe.clone(),
            Loss::Contents => {
                let mut bytes = file.safe.clone();
                bytes.resize(file.now.len(), 0);
                bytes
            }
            _ => file.now.clone(),
        };
        self.tree(names, contents)
    }

    fn cut_by_chance(&mut self) -> Tree {
        let mut folders = Vec::new();
        for at in 0..self.folders.len() {
            let kept = self.below(self.folders[at].since.len() as u64 + 1) as usize;
            let folder = &self.folders[at];
            let mut names = folder.safe.clone();
            folder.since[..kept].iter().for_each(|change| apply(change, &mut names));
            folders.push(names);
        }
        let mut files = Vec::new();
        for at in 0..self.files.len() {
            let mut bytes = self.files[at].safe.clone();
            for change in self.files[at].since.clone() {
                if self.below(2) == 0 {
                    change.apply(&mut bytes);
                }
            }
            files.push(bytes);
        }
        let mut tree = Tree::new();
        grow("", 0, &folders, &files, &mut tree);
        tree
    }

    fn below(&mut self, end: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) % end
    }

    fn tree(
        &self,
        names: impl Fn(&Folder) -> BTreeMap<String, Node>,
        contents: impl Fn(&File) -> Vec<u8>,
    ) -> Tree {
        let folders: Vec<_> = self.folders.iter().map(names).collect();
        let files: Vec<_> = self.files.iter().map(contents).collect();
        let mut tree = Tree::new();
        grow("", 0, &folders, &files, &mut tree);
        tree
    }
}

fn apply(changes: &[(String, Option<Node>)], names: &mut BTreeMap<String, Node>) {
    for (name, node) in changes {
        match node {
            Some(node) => drop(names.insert(name.clone(), *node)),
            None => drop(names.remove(name)),
        }
    }
}

fn grow(
    path: &str,
    folder: usize,
    folders: &[BTreeMap<String, Node>],
    files: &[Vec<u8>],
    tree: &mut Tree,
) {
    for (name, node) in &folders[folder] {
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        match node {
            Node::File(file) => drop(tree.insert(path, Some(files[*file].clone()))),
            Node::Folder(inner) => {
                tree.insert(path.clone(), None);
                grow(&path, *inner, folders, files, tree);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        files.iter().map(|(name, text)| ((*name).into(), Some(text.as_bytes().into()))).collect()
    }

    /// A file that is replaced as one should: at no time is neither there.
    #[test]
    fn a_file_is_replaced() {
        let write = |text: &str| Event::Write("new".into(), 0, text.into());
        let name = |what: fn(String) -> Event| what("new".into());
        let all = [
            name(Event::Create),
            write("after"),
            name(Event::Sync),
            Event::Rename("new".into(), "a".into()),
            Event::Sync(String::new()),
        ];
        let after = |events: &[Event], loss| {
            let mut replay = Replay::of(&tree(&[("a", "before")]));
            events.iter().for_each(|event| replay.apply(event));
            replay.cut(loss)
        };
        for loss in Loss::ALL {
            for end in 0..=all.len() {
                let left = after(&all[..end], loss);
                let a = left["a"].as_deref();
                assert!(a == Some(b"before") || a == Some(b"after"), "{loss:?} {end}");
            }
            assert_eq!(after(&all, loss), tree(&[("a", "after")]), "{loss:?}");
        }
        assert_eq!(after(&all[..4], Loss::All), tree(&[("a", "before")]));
        // And as one should not.
        let careless = [all[0].clone(), all[1].clone(), all[3].clone()];
        assert_eq!(after(&careless, Loss::Contents), tree(&[("a", "\0\0\0\0\0")]));
        assert_eq!(after(&careless, Loss::Lengths), tree(&[("a", "")]));
        assert_eq!(after(&careless, Loss::Names), tree(&[("a", "before")]));
    }

    /// A folder that was made is there when the one that it lies in was synced.
    #[test]
    fn a_folder_is_made() {
        let mut replay = Replay::of(&Tree::new());
        replay.apply(&Event::Mkdir("d".into()));
        replay.apply(&Event::Create("d/a".into()));
        replay.apply(&Event::Sync("d/a".into()));
        replay.apply(&Event::Sync("d".into()));
        assert_eq!(replay.cut(Loss::All), Tree::new());
        replay.apply(&Event::Sync(String::new()));
        let paths: BTreeSet<String> = replay.cut(Loss::All).into_keys().collect();
        assert_eq!(paths, BTreeSet::from(["d".into(), "d/a".into()]));
    }
}
