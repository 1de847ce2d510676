//! A model of SQLite's WAL: locks, marks, restarts, recovery, and those who use
//! it, each in steps between which anything may happen. After wal.c of 3.54.

use std::time::Duration;

use lifeboat_sqlite::{WalIndexHeader, WalPosition};
use lifeboat_wal::pins::{Action, Lock, Outcome, Pins, Range, Stop};
use lifeboat_wal::{Limits, Position, Start};

const WRITE: usize = 0;
const CKPT: usize = 1;
const READ: usize = 3;
const NOT_USED: u32 = u32::MAX;
/// The number of the captor among those who lock.
const CAPTOR: u8 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Frame {
    life: u32,
    serial: u32,
    /// The serial of the frame before, which its checksum goes on from.
    before: u32,
    commit: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Header {
    life: u32,
    frames: u32,
    change: u32,
}

/// What all share: the files and the wal-index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shared {
    wal: Vec<Frame>,
    /// The life that the header of the WAL names; 0 for none.
    wal_life: u32,
    header: Header,
    torn: bool,
    lives: u32,
    serials: u32,
    backfilled: u32,
    marks: [u32; 5],
    shared: [u8; 8],
    exclusive: [Option<u8>; 8],
    /// Every commit that was ever published, in order.
    committed: Vec<u32>,
}

impl Shared {
    fn new() -> Self {
        Self {
            wal: Vec::new(),
            wal_life: 0,
            header: Header { life: 1, frames: 0, change: 0 },
            torn: false,
            lives: 1,
            serials: 0,
            backfilled: 0,
            marks: [0, 0, NOT_USED, NOT_USED, NOT_USED],
            shared: [0; 8],
            exclusive: [None; 8],
            committed: Vec::new(),
        }
    }

    fn lock_shared(&mut self, slot: usize, who: u8) -> bool {
        let free = self.exclusive[slot].is_none();
        if free {
            self.shared[slot] |= 1 << who;
        }
        free
    }

    fn can_exclude(&self, slots: std::ops::Range<usize>) -> bool {
        slots.into_iter().all(|slot| self.exclusive[slot].is_none() && self.shared[slot] == 0)
    }

    fn lock_exclusive(&mut self, slot: usize, who: u8) -> bool {
        let free = self.can_exclude(slot..slot + 1);
        if free {
            self.exclusive[slot] = Some(who);
        }
        free
    }

    fn unlock(&mut self, slot: usize, who: u8) {
        self.shared[slot] &= !(1 << who);
        if self.exclusive[slot] == Some(who) {
            self.exclusive[slot] = None;
        }
    }

    fn unlock_all(&mut self, who: u8) {
        for slot in 0..8 {
            self.unlock(slot, who);
        }
    }

    /// walTryBeginRead: the read lock that was taken.
    fn begin_read(&mut self, who: u8, use_wal: bool) -> Option<usize> {
        let frames = self.header.frames;
        if !use_wal && self.backfilled == frames && self.lock_shared(READ, who) {
            return Some(0);
        }
        let usable = |mark: u32| mark != NOT_USED && mark <= frames;
        let mut best = (1..5).filter(|&i| usable(self.marks[i])).max_by_key(|&i| self.marks[i]);
        if best.is_none_or(|i| self.marks[i] < frames)
            && let Some(i) = (1..5).find(|&i| self.can_exclude(READ + i..READ + i + 1))
        {
            self.marks[i] = frames;
            best = Some(i);
        }
        best.filter(|&i| self.lock_shared(READ + i, who))
    }

    /// walRestartHdr.
    fn restart(&mut self) {
        self.lives += 1;
        self.header =
            Header { life: self.lives, frames: 0, change: self.header.change + 1 };
        self.backfilled = 0;
        self.marks = [0, 0, NOT_USED, NOT_USED, NOT_USED];
    }

    /// walIndexRecover: what the WAL itself says, phantoms included.
    fn recover(&mut self) -> bool {
        if !self.can_exclude(WRITE..CKPT + 1) {
            return false;
        }
        let (mut frames, mut before) = (0, 0);
        for (i, frame) in self.wal.iter().enumerate() {
            if frame.life != self.wal_life || frame.before != before {
                break;
            }
            before = frame.serial;
            if frame.commit.is_some() {
                frames = i as u32 + 1;
            }
        }
        // An empty WAL gives random salts.
        self.lives += 1;
        let life = if frames > 0 { self.wal_life } else { self.lives };
        self.header = Header { life, frames, change: self.header.change + 1 };
        self.torn = false;
        self.backfilled = 0;
        for i in 1..5 {
            if self.can_exclude(READ + i..READ + i + 1) {
                self.marks[i] = if i == 1 && frames > 0 { frames } else { NOT_USED };
            }
        }
        for frame in &self.wal[..frames as usize] {
            if let Some(id) = frame.commit
                && !self.committed.contains(&id)
            {
                self.committed.push(id);
            }
        }
        true
    }

    /// The marks that a checkpoint honours, and what it may copy.
    fn safe_frames(&mut self) -> u32 {
        let mut safe = self.header.frames;
        for i in 1..5 {
            if safe > self.marks[i] {
                if self.can_exclude(READ + i..READ + i + 1) {
                    self.marks[i] = if i == 1 { safe } else { NOT_USED };
                } else {
                    safe = self.marks[i];
                }
            }
        }
        safe
    }

    fn seen(&self) -> WalPosition {
        let Header { life, frames, change } = self.header;
        let serial = match frames {
            0 => 0,
            frames => self.wal[frames as usize - 1].serial,
        };
        WalPosition {
            header: WalIndexHeader {
                page_size: 4096,
                max_frame: frames,
                page_count: 1,
                salts: u64::from(life).to_le_bytes(),
                frame_checksum: (serial, 7),
                big_endian_checksums: false,
                change,
                bytes: [0; WalIndexHeader::LEN],
            },
            backfilled: self.backfilled,
        }
    }
}

/// What a checkpointer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mode {
    Passive,
    Full,
    Restart,
    Truncate,
}

pub(crate) const MODES: [Mode; 4] = [Mode::Passive, Mode::Full, Mode::Restart, Mode::Truncate];

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
        Self { pins, action, captured: Vec::new(), base: None, start, resumed, lies_about, slot: None }
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
                if matches!(self.apps[i], App::Publishing { .. }) {
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
            App::Restarting { mode, snapshot } => {
                if mode < Mode::Restart || sql.backfilled < snapshot.frames || sql.torn {
                    App::Leaving
                } else if sql.can_exclude(READ + 1..READ + 5) {
                    if mode == Mode::Truncate {
                        sql.restart();
                        sql.wal.clear();
                        sql.wal_life = 0;
                    }
                    App::Leaving
                } else {
                    App::Restarting { mode, snapshot }
                }
            }
        };
    }

    fn captor_step(&mut self) -> Result<(), String> {
        let action = self.captor.action;
        let mut elapsed = Duration::ZERO;
        let outcome = match action {
            Action::Look if self.sql.torn => Outcome::Unsteady,
            Action::Look => Outcome::Seen(self.sql.seen()),
            Action::Lock(lock) => self.captor_lock(lock),
            Action::Unlock(lock) => {
                match lock {
                    Lock::Writer => self.sql.unlock(WRITE, CAPTOR),
                    Lock::Guard => self.sql.unlock(READ, CAPTOR),
                    Lock::Reader => {
                        if let Some(slot) = self.captor.slot.take() {
                            self.sql.unlock(slot, CAPTOR);
                        }
                    }
                }
                Outcome::Done
            }
            Action::Capture(range) => self.captor_capture(range),
            Action::Checkpoint => {
                if self.sql.torn || !self.sql.can_exclude(CKPT..CKPT + 1) {
                    Outcome::Busy
                } else {
                    let frames = self.sql.header.frames;
                    if self.sql.backfilled < frames {
                        let safe = self.sql.safe_frames();
                        if self.sql.can_exclude(READ..READ + 1) {
                            self.sql.backfilled = self.sql.backfilled.max(safe);
                        }
                    }
                    Outcome::Checkpointed { complete: self.sql.backfilled >= frames }
                }
            }
            Action::Mend if !self.sql.torn || self.sql.recover() => Outcome::Done,
            Action::Mend => Outcome::Busy,
            Action::Wait { time, .. } => {
                elapsed = time.max(self.coarse);
                Outcome::Done
            }
            Action::Stop(stop) => return self.captor_stopped(stop),
        };
        self.captor.action = self.captor.pins.next(outcome, elapsed);
        if let (None, Some(position)) = (self.captor.base, self.captor.pins.position()) {
            let waiting = self.waiting(position);
            self.captor.base = Some(self.sql.committed.len() - waiting.len());
        }
        Ok(())
    }

    fn captor_lock(&mut self, lock: Lock) -> Outcome {
        if self.captor.lies_about == Some(lock) {
            return Outcome::Done;
        }
        let locked = match lock {
            Lock::Writer => self.sql.lock_exclusive(WRITE, CAPTOR),
            Lock::Guard => self.sql.lock_shared(READ, CAPTOR),
            Lock::Reader => {
                let slot = (2..5)
                    .rev()
                    .find(|&i| self.sql.marks[i] == NOT_USED && self.sql.exclusive[READ + i].is_none());
                self.captor.slot = slot.map(|i| READ + i);
                slot.is_some_and(|i| self.sql.lock_shared(READ + i, CAPTOR))
            }
        };
        if locked { Outcome::Done } else { Outcome::Busy }
    }

    fn captor_capture(&mut self, range: Range) -> Outcome {
        let life = range.after.salts;
        let frames = self.sql.wal.get(range.after.frame as usize..range.to as usize);
        let Some(frames) = frames else {
            return Outcome::NotContinuous;
        };
        let right = frames.iter().all(|frame| u64::from(frame.life).to_le_bytes() == life)
            && frames.last().is_some_and(|last| last.serial == range.checksum.0)
            && frames.windows(2).all(|pair| pair[1].before == pair[0].serial)
            && range.after.checksum.is_none_or(|(serial, _)| frames[0].before == serial);
        if !right {
            return Outcome::NotContinuous;
        }
        self.captor.captured.extend(frames.iter().filter_map(|frame| frame.commit));
        Outcome::Done
    }

    fn captor_stopped(&mut self, stop: Stop) -> Result<(), String> {
        if stop == Stop::Busy && self.captor.pins.position().is_none() {
            let old = self.captor.clone();
            self.captor = Captor::new(old.start, &self.limits, old.lies_about);
            (self.captor.captured, self.captor.base) = (old.captured, old.base);
            return Ok(());
        }
        if !self.captor.resumed || stop != Stop::NotContinuous {
            return Err(format!("stopped: {stop:?}"));
        }
        self.sql.unlock_all(CAPTOR);
        self.captor = Captor::new(Start::Fresh, &self.limits, self.captor.lies_about);
        Ok(())
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
