//! A model of SQLite's WAL: locks, marks, restarts, recovery, and those who use
//! it, each in steps between which anything may happen. After wal.c of 3.54.

mod captor;
mod sql;

use std::time::Duration;

use lifeboat_wal::pins::{Action, Lock, Outcome, Pins};
use lifeboat_wal::{Limits, Position, Start};

use sql::{Frame, Header, Shared};

const WRITE: usize = 0;
const CKPT: usize = 1;
const READ: usize = 3;
const NOT_USED: u32 = u32::MAX;
/// The number of the captor among those who lock.
const CAPTOR: u8 = 0;

/// What a checkpointer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mode {
    Passive,
    Full,
    Restart,
    Truncate,
}

const MODES: [Mode; 4] = [Mode::Passive, Mode::Full, Mode::Restart, Mode::Truncate];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum App {
    Idle,
    Reading,
    WantsToWrite { slot: usize, snapshot: Header },
    MayRestart { slot: usize },
    Appending { left: u32, written: u32, commit: u32 },
    Publishing { written: u32, commit: u32 },
    Leaving,
    Computing { mode: Mode, snapshot: Header },
    Copying { mode: Mode, snapshot: Header, safe: u32 },
    Copied { mode: Mode, snapshot: Header, safe: u32 },
    Restarting { mode: Mode, snapshot: Header },
    Truncating,
}

/// What may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) commits: u32,
    pub(crate) reads: u32,
    pub(crate) checkpoints: u32,
    pub(crate) kills: u32,
    pub(crate) captor_kills: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Captor {
    pins: Pins,
    action: Action,
    captured: Vec<u32>,
    /// How many commits there were before the first captured one.
    base: Option<usize>,
    start: Start,
    resumed: bool,
    lies_about: Option<Lock>,
    slot: Option<usize>,
}

impl Captor {
    fn new(start: Start, limits: &Limits, lies_about: Option<Lock>) -> Self {
        let mut pins = Pins::new(start, limits.clone());
        let action = pins.next(Outcome::Done, Duration::ZERO);
        let resumed = start != Start::Fresh;
        Self {
            pins,
            action,
            captured: Vec::new(),
            base: None,
            start,
            resumed,
            lies_about,
            slot: None,
        }
    }
}

/// Everything: what is explored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) sql: Shared,
    apps: Vec<App>,
    captor: Captor,
    budget: Budget,
    limits: Limits,
    /// How long a wait takes at least.
    coarse: Duration,
    ids: u32,
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Captor,
    App(usize),
    Write(usize, u32),
    Read(usize),
    Checkpoint(usize, Mode),
    GiveUp(usize),
    Kill(usize),
    KillCaptor,
}

impl World {
    pub(crate) fn new(apps: usize, budget: Budget, lies_about: Option<Lock>) -> Self {
        let mut limits = Limits::default();
        (limits.checkpoint_at, limits.hold_at) = (2, 3);
        // Who waited in vain begins anew, which is the same state.
        limits.patience = Duration::ZERO;
        Self {
            sql: Shared::new(),
            apps: vec![App::Idle; apps],
            captor: Captor::new(Start::Fresh, &limits, lies_about),
            budget,
            limits,
            coarse: Duration::from_secs(10),
            ids: 0,
        }
    }

    /// With waits as long as they are meant to be, and larger limits.
    pub(crate) fn exact(mut self, checkpoint_at: u32, hold_at: u32) -> Self {
        (self.limits.checkpoint_at, self.limits.hold_at) = (checkpoint_at, hold_at);
        self.coarse = Duration::ZERO;
        self.captor = Captor::new(Start::Fresh, &self.limits, None);
        self
    }

    /// Lets the captor go on until its next action is one.
    pub(crate) fn captor_until(&mut self, is_it: impl Fn(&Action) -> bool) {
        for _ in 0..300 {
            if is_it(&self.captor.action) {
                return;
            }
            self.happen(Event::Captor).unwrap_or_else(|e| panic!("{e}\n{self:#?}"));
        }
        panic!("it never comes to that: {self:#?}");
    }

    /// Lets the captor go on until it rests.
    pub(crate) fn rest(&mut self) {
        for _ in 0..20 {
            self.happen(Event::Captor).unwrap_or_else(|e| panic!("{e}\n{self:#?}"));
            self.captor_until(|action| matches!(action, Action::Wait { .. }));
            if self.captor.pins.is_resting() && !self.sql.torn {
                return;
            }
        }
        panic!("it never rests: {self:#?}");
    }

    /// Lets an application begin something, and finish it.
    pub(crate) fn whole(&mut self, app: usize, event: Event) {
        self.steps(app, event, u32::MAX);
        assert!(self.is_idle());
    }

    /// Lets an application begin something, and go so many steps.
    pub(crate) fn steps(&mut self, app: usize, event: Event, steps: u32) {
        self.happen(event).unwrap_or_else(|e| panic!("{e}\n{self:#?}"));
        for _ in 0..steps.min(20) {
            if self.apps[app] != App::Idle {
                self.happen(Event::App(app)).unwrap_or_else(|e| panic!("{e}\n{self:#?}"));
            }
        }
    }

    pub(crate) fn action(&self) -> Action {
        self.captor.action
    }

    pub(crate) fn life(&self) -> u32 {
        self.sql.header.life
    }

    pub(crate) fn frames(&self) -> u32 {
        self.sql.header.frames
    }

    pub(crate) fn lives(&self) -> u32 {
        self.sql.lives
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.apps.iter().all(|app| *app == App::Idle)
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events = vec![Event::Captor];
        for (i, app) in self.apps.iter().enumerate() {
            if *app == App::Idle {
                if self.budget.commits > 0 {
                    events.extend([Event::Write(i, 1), Event::Write(i, 2)]);
                }
                if self.budget.reads > 0 {
                    events.push(Event::Read(i));
                }
                if self.budget.checkpoints > 0 {
                    events.extend(MODES.map(|mode| Event::Checkpoint(i, mode)));
                }
                continue;
            }
            events.push(Event::App(i));
            if matches!(app, App::Copying { .. } | App::Restarting { .. }) {
                events.push(Event::GiveUp(i));
            }
            if self.budget.kills > 0 {
                events.push(Event::Kill(i));
            }
        }
        if self.budget.captor_kills > 0 {
            events.push(Event::KillCaptor);
        }
        events
    }

    /// Lets something happen; an error is a violation.
    pub(crate) fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Captor => self.captor_step()?,
            Event::App(i) => self.app_step(i),
            Event::GiveUp(i) => self.apps[i] = App::Leaving,
            Event::Kill(i) => {
                self.budget.kills -= 1;
                let writes_header = match self.apps[i] {
                    App::Publishing { .. } => true,
                    App::MayRestart { slot: 0 } => self.sql.backfilled > 0,
                    App::Restarting { mode: Mode::Truncate, snapshot } => {
                        self.sql.backfilled >= snapshot.frames
                    }
                    _ => false,
                };
                let alone = self.sql.can_exclude(READ + 1..READ + 5);
                if writes_header && (alone || matches!(self.apps[i], App::Publishing { .. })) {
                    // One copy of the header is written, the other is not.
                    self.sql.torn = true;
                }
                self.sql.unlock_all(i as u8 + 1);
                self.apps[i] = App::Idle;
            }
            Event::KillCaptor => {
                self.budget.captor_kills -= 1;
                self.sql.unlock_all(CAPTOR);
                let stored = self.captor.pins.position().and_then(Position::to_bytes);
                let start = match stored.and_then(|bytes| Position::from_bytes(&bytes)) {
                    Some(position) => Start::Resume(position),
                    None => Start::Fresh,
                };
                let old = self.captor.clone();
                self.captor = Captor::new(start, &self.limits, old.lies_about);
                if start != Start::Fresh {
                    (self.captor.captured, self.captor.base) = (old.captured, old.base);
                }
            }
            Event::Write(i, frames) => {
                if !self.begin(i) {
                    return Ok(());
                }
                if let Some(slot) = self.sql.begin_read(i as u8 + 1, false) {
                    self.budget.commits -= 1;
                    self.ids += 1;
                    self.apps[i] = App::WantsToWrite { slot, snapshot: self.sql.header };
                    // How many frames it will write is decided now.
                    self.ids = (self.ids & 0xffff) | (frames << 16);
                }
            }
            Event::Read(i) => {
                if self.begin(i) && self.sql.begin_read(i as u8 + 1, false).is_some() {
                    self.budget.reads -= 1;
                    self.apps[i] = App::Reading;
                }
            }
            Event::Checkpoint(i, mode) => {
                let who = i as u8 + 1;
                if self.begin(i) && self.sql.lock_exclusive(CKPT, who) {
                    self.budget.checkpoints -= 1;
                    let mode = if mode == Mode::Passive || self.sql.lock_exclusive(WRITE, who) {
                        mode
                    } else {
                        Mode::Passive
                    };
                    self.apps[i] = App::Computing { mode, snapshot: self.sql.header };
                }
            }
        }
        self.check()
    }

    /// Everybody who begins finds a torn header, and mends it.
    fn begin(&mut self, _i: usize) -> bool {
        !self.sql.torn || self.sql.recover()
    }

    fn app_step(&mut self, i: usize) {
        let who = i as u8 + 1;
        let sql = &mut self.sql;
        self.apps[i] = match self.apps[i] {
            App::Idle => App::Idle,
            App::Reading | App::Leaving => {
                sql.unlock_all(who);
                App::Idle
            }
            App::WantsToWrite { slot, snapshot } => {
                let locked = !sql.torn && sql.lock_exclusive(WRITE, who);
                if locked && sql.header == snapshot {
                    App::MayRestart { slot }
                } else {
                    App::Leaving
                }
            }
            App::MayRestart { slot } => {
                let mut slot = Some(slot);
                if slot == Some(0) {
                    if sql.backfilled > 0 && sql.can_exclude(READ + 1..READ + 5) {
                        sql.restart();
                    }
                    sql.unlock(READ, who);
                    slot = sql.begin_read(who, true);
                }
                match slot {
                    None => App::Leaving,
                    Some(_) => {
                        let commit = self.ids & 0xffff;
                        App::Appending { left: self.ids >> 16, written: 0, commit }
                    }
                }
            }
            App::Appending { left, written, commit } => {
                let at = (sql.header.frames + written) as usize;
                if at == 0 {
                    sql.wal_life = sql.header.life;
                }
                sql.serials += 1;
                let frame = Frame {
                    life: sql.header.life,
                    serial: sql.serials,
                    before: if at == 0 { 0 } else { sql.wal[at - 1].serial },
                    commit: (left == 1).then_some(commit),
                };
                if at < sql.wal.len() {
                    sql.wal[at] = frame;
                } else {
                    sql.wal.push(frame);
                }
                match left {
                    1 => App::Publishing { written: written + 1, commit },
                    left => App::Appending { left: left - 1, written: written + 1, commit },
                }
            }
            App::Publishing { written, commit } => {
                sql.header.frames += written;
                sql.header.change += 1;
                sql.committed.push(commit);
                App::Leaving
            }
            App::Computing { mode, snapshot } => {
                if sql.backfilled < snapshot.frames && !sql.torn {
                    let safe = sql.safe_frames().min(snapshot.frames);
                    App::Copying { mode, snapshot, safe }
                } else {
                    App::Restarting { mode, snapshot }
                }
            }
            App::Copying { mode, snapshot, safe } => {
                if sql.backfilled >= safe {
                    App::Restarting { mode, snapshot }
                } else if sql.lock_exclusive(READ, who) {
                    App::Copied { mode, snapshot, safe }
                } else if mode == Mode::Passive {
                    App::Leaving
                } else {
                    App::Copying { mode, snapshot, safe }
                }
            }
            App::Copied { mode, snapshot, safe } => {
                if sql.header.life == snapshot.life {
                    sql.backfilled = sql.backfilled.max(safe);
                }
                sql.unlock(READ, who);
                App::Restarting { mode, snapshot }
            }
            App::Truncating => {
                sql.wal.clear();
                sql.wal_life = 0;
                App::Leaving
            }
            App::Restarting { mode, snapshot } => {
                if mode < Mode::Restart || sql.backfilled < snapshot.frames || sql.torn {
                    App::Leaving
                } else if sql.can_exclude(READ + 1..READ + 5) {
                    if mode == Mode::Truncate {
                        sql.restart();
                        App::Truncating
                    } else {
                        App::Leaving
                    }
                } else {
                    App::Restarting { mode, snapshot }
                }
            }
        };
    }

    /// The commits in the WAL that were not captured.
    fn waiting(&self, position: Position) -> Vec<u32> {
        let same = position.salts == u64::from(self.sql.header.life).to_le_bytes();
        let from = if same { position.frame } else { 0 };
        let to = self.sql.header.frames.max(from);
        let frames = self.sql.wal.get(from as usize..to as usize).unwrap_or(&[]);
        frames.iter().filter_map(|frame| frame.commit).collect()
    }

    /// What was captured and what waits in the WAL is all that was committed.
    fn check(&self) -> Result<(), String> {
        let (Some(base), Some(position)) = (self.captor.base, self.captor.pins.position()) else {
            return Ok(());
        };
        let captured = &self.captor.captured;
        let committed = &self.sql.committed[base.min(self.sql.committed.len())..];
        if !committed.starts_with(captured) {
            return Err(format!("captured {captured:?} of {committed:?}"));
        }
        // A captor that begins again has not proven yet that it may.
        let proven = !self.captor.resumed || self.captor.pins.is_resting();
        if self.sql.torn || !proven {
            return Ok(());
        }
        let expected = &committed[captured.len()..];
        if !self.waiting(position).ends_with(expected) {
            return Err(format!("{expected:?} are lost; captured {captured:?}"));
        }
        Ok(())
    }

    /// With nobody else about, it takes everything and rests, and an
    /// application's TRUNCATE succeeds at once.
    pub(crate) fn check_rest(&self) -> Result<(), String> {
        let mut world = self.clone();
        world.coarse = Duration::from_secs(10);
        for _ in 0..200 {
            if world.captor.pins.is_resting()
                && matches!(world.captor.action, Action::Wait { .. })
                && world.sql.backfilled >= world.sql.header.frames
                && !world.sql.torn
            {
                break;
            }
            world.happen(Event::Captor)?;
        }
        if !world.captor.pins.is_resting() {
            return Err("does not come to rest".into());
        }
        let base = world.captor.base.unwrap_or(0);
        if world.captor.captured.len() + base != world.sql.committed.len() {
            return Err("rests without having everything".into());
        }
        let lives = world.sql.lives;
        world.budget.checkpoints = 1;
        world.happen(Event::Checkpoint(0, Mode::Truncate))?;
        for _ in 0..6 {
            if world.apps[0] != App::Idle {
                world.happen(Event::App(0))?;
            }
        }
        if world.apps[0] != App::Idle || world.sql.lives == lives {
            return Err("a TRUNCATE checkpoint is held up".into());
        }
        Ok(())
    }
}
