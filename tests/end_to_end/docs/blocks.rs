//! The blocks of code in a page, and what is done with each.

/// A block of code between two fences.
#[derive(Debug)]
pub(super) struct Block {
    /// The line of the opening fence, from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// What its info string says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `sh`: commands, which must succeed.
    Commands,
    /// `console`: commands behind `$ `, each followed by what it prints. With
    /// `terminal` they are run on one.
    Transcript {
        terminal: bool,
    },
    /// `toml`: settings.
    Settings,
    /// `rust from PATH`: lines of a file that the tests compile.
    Excerpt(String),
    /// `LANGUAGE not run: REASON`: cannot be run here.
    NotRun(String),
    /// `json`, `python`: must be one.
    Json,
    Python,
    /// Nothing that could be run.
    Text,
}

/// All blocks of a page, in order.
pub(super) fn of(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut indent = None;
    for (at, line) in page.lines().enumerate() {
        let trimmed = line.trim_start();
        let Some(info) = trimmed.strip_prefix("```") else {
            if let (Some(indent), Some(block)) = (indent, blocks.last_mut()) {
                let rest = line.get(indent..).unwrap_or(trimmed);
                block.text.push_str(rest);
                block.text.push('\n');
            }
            continue;
        };
        indent = match indent {
            Some(_) => None,
            None => {
                let kind = kind(info.trim());
                blocks.push(Block { line: at + 1, kind, text: String::new() });
                Some(line.len() - trimmed.len())
            }
        };
    }
    assert!(indent.is_none(), "the last fence is not closed");
    blocks
}

fn kind(info: &str) -> Kind {
    if let Some((_, reason)) = info.split_once(" not run: ") {
        return Kind::NotRun(reason.to_owned());
    }
    if let Some(path) = info.strip_prefix("rust from ") {
        return Kind::Excerpt(path.to_owned());
    }
    match info {
        "sh" => Kind::Commands,
        "console" => Kind::Transcript { terminal: false },
        "console terminal" => Kind::Transcript { terminal: true },
        "toml" => Kind::Settings,
        "json" => Kind::Json,
        "python" => Kind::Python,
        "" | "yaml" | "hexdump" | "sql" => Kind::Text,
        other => panic!("nobody knows what to do with a block of {other:?}"),
    }
}

/// A command of a block, and what it shall do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) command: String,
    /// The comment `# exit code N` behind it says another than 0.
    pub(super) code: i32,
    /// What it shall print; nothing where the page does not say.
    pub(super) prints: Vec<String>,
    pub(super) terminal: bool,
}

impl Block {
    /// The commands of a block, one by one.
    pub(super) fn steps(&self) -> Vec<Step> {
        match self.kind {
            Kind::Commands => steps(&self.text, None, false),
            Kind::Transcript { terminal } => steps(&self.text, Some("$ "), terminal),
            _ => Vec::new(),
        }
    }
}

fn steps(text: &str, prompt: Option<&str>, terminal: bool) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        let typed = match prompt {
            Some(prompt) => line.strip_prefix(prompt).or(goes_on.then_some(line)),
            None => Some(line).filter(|line| !line.trim().is_empty()),
        };
        match (typed, steps.last_mut()) {
            (Some(typed), last) => {
                match last {
                    Some(step) if goes_on => step.command.push_str(&format!("\n{typed}")),
                    _ => steps.push(Step {
                        command: typed.to_owned(),
                        code: 0,
                        prints: Vec::new(),
                        terminal,
                    }),
                }
                let end = typed.trim_end();
                goes_on = end.ends_with('\\') || end.ends_with('|') || end.ends_with("&&");
            }
            (None, Some(step)) if prompt.is_some() => step.prints.push(line.to_owned()),
            (None, _) => {}
        }
    }
    for step in &mut steps {
        step.code = code(&step.command);
        // What separates a command from the next says nothing.
        while step.prints.last().is_some_and(|line| line.trim().is_empty()) {
            step.prints.pop();
        }
    }
    steps
}

fn code(command: &str) -> i32 {
    let said = command.rsplit_once("# exit code ").map(|(_, rest)| rest);
    let digits = said.and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[test]
fn blocks_and_steps_are_found() {
    let page = "x\n```console\n$ a \\\n  b   # exit code 4\nprints\n\n$ c\n```\n\n   ```sh\n   d\n   \
                e |\n     f\n   ```\n```toml not run: no\nx\n```\n";
    let blocks = of(page);
    assert_eq!(blocks.len(), 3);
    let commands = |block: &Block| {
        let steps = block.steps();
        let each = steps.into_iter().map(|step| (step.command, step.code, step.prints.len()));
        each.collect::<Vec<_>>()
    };
    assert_eq!(
        commands(&blocks[0]),
        [("a \\\n  b   # exit code 4".into(), 4, 1), ("c".into(), 0, 0)]
    );
    assert_eq!(code("b   # exit code 4, because"), 4);
    assert_eq!(commands(&blocks[1]), [("d".into(), 0, 0), ("e |\n  f".into(), 0, 0)]);
    assert_eq!((blocks[1].line, &blocks[2].kind), (10, &Kind::NotRun("no".into())));
}
