//! A scan over all primaries: [`Walker`], which goes from node to node until every slot is done.
//!
//! A slot is *done* when one node had it from the beginning to the end of a stretch that went through the whole slot, and
//! was not getting it or giving it away: then all of its keys were there when they were looked for. Nodes are asked for their
//! slots before and after ([`Snapshot`]). A slot that left and came back in between is found by the epoch of its node, which
//! grows with each slot that it gets. What is not done at the end of a stretch is looked for again, on the node that has it then.
//!
//! A slot that is being moved key by key may stay so for hours. It is done when its source was gone through first, and then the
//! node that gets it: keys move in this direction only.
//!
//! # Layout
//!
//! - `clusterscan`: pages of CLUSTERSCAN
//! - `done`: which slots are done at the end of a stretch
//! - `halves`: slots that are being moved key by key

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::half::Half;
use super::page::{Page, array, strange};
use super::position::{Position, ScanCursor, Stretch};
use super::slot_set::SlotSet;
use super::snapshot::Snapshot;
use crate::cluster::map_wait::map_within;
use crate::cluster::nodes::Node;
use crate::cluster::shared::Shared;
use crate::command::{Args, SLOTS};
use crate::engine::inflight::Patience;
use crate::error::{ClusterCause, ClusterError, Error, ErrorKind, Phase, Result, ServerError};
use crate::reply::Frame;
use crate::runtime::after;

mod clusterscan;
mod done;
mod halves;

/// Nodes are asked for their slots after this time, and after this number of pages: the shorter, the less is to be looked for again
/// when slots move.
const WINDOW: Duration = Duration::from_millis(50);
const PAGES: usize = 64;
/// Without a command timeout, a scan that makes no progress fails after this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Goes over a cluster. It is moved into the future of each page.
pub(super) struct Walker {
    shared: Arc<Shared>,
    /// The command, with the options that every page has.
    first: Args,
    pub(super) position: Position,
    /// The node of the stretch, and what it said at the start of the window.
    visit: Option<Visit>,
    halves: BTreeMap<u16, Half>,
    /// The slots that were ever among them: one that comes again is no progress.
    halved: SlotSet,
    /// Elements that were read and not given yet: what fails behind them does not take them away.
    found: Vec<Frame>,
    /// What ended the scan, after the elements that were read before are given.
    failure: Option<Error>,
    /// Whether CLUSTERSCAN is worth a try.
    tries_clusterscan: bool,
    /// Since when there was no progress, and how often since.
    stuck: Option<Instant>,
    rounds: u32,
    /// The last failure since then.
    trouble: Option<String>,
}

struct Visit {
    node: Arc<Node>,
    begin: Snapshot,
    since: Instant,
    pages: usize,
}

impl Walker {
    pub(super) fn new(shared: Arc<Shared>, first: Args, position: Position) -> Self {
        // For a single slot, the cursor of its node is the shorter way.
        let is_new = position.stretch.is_none() && position.done.len() == 0;
        Self {
            shared,
            first,
            position,
            visit: None,
            halves: BTreeMap::new(),
            halved: SlotSet::new(),
            found: Vec::new(),
            failure: None,
            tries_clusterscan: is_new,
            stuck: None,
            rounds: 0,
            trouble: None,
        }
    }

    /// The elements of the next page that has any, as an array; `None` at the end.
    pub(super) async fn next_page(&mut self) -> Result<Option<Frame>> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        map_within(&self.shared, Patience::Default).await?;
        loop {
            let step = match self.step().await {
                Ok(step) => step,
                Err(error) => self.after(error).await?,
            };
            let found = std::mem::take(&mut self.found);
            match step {
                _ if !found.is_empty() => return Ok(Some(array(&found))),
                Step::On => {}
                Step::Over => return Ok(None),
            }
        }
    }

    async fn step(&mut self) -> Result<Step> {
        let stretch = self.position.stretch.as_ref();
        match stretch.map(|stretch| stretch.cursor.clone()) {
            None => return self.choose().await,
            Some(ScanCursor::Node(cursor)) => self.node_page(cursor).await?,
            Some(ScanCursor::Cluster(cursor)) => self.cluster_page(cursor).await?,
        }
        Ok(Step::On)
    }

    /// Goes on after a failure that passes. Any other is returned, now or after the elements that were read before it.
    async fn after(&mut self, error: Error) -> Result<Step> {
        match self.bear(error).await {
            Err(error) if !self.found.is_empty() => self.failure = Some(error),
            borne => borne?,
        }
        Ok(Step::On)
    }

    /// Waits after a failure that may pass; any other is returned.
    async fn bear(&mut self, error: Error) -> Result<()> {
        let passes = error.server().is_some_and(ServerError::is_transient)
            || matches!(
                error.kind(),
                ErrorKind::Connect(_) | ErrorKind::ConnectionLost(_)
            )
            || matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Cluster(_));
        if !passes {
            return Err(error);
        }
        // It is asked again who it is.
        self.visit = None;
        self.shared.want_refresh();
        self.trouble = Some(error.to_string());
        self.pause().await.map_err(|_| error)
    }

    /// Pauses because there was no progress; an error if there was none for too long.
    async fn pause(&mut self) -> Result<()> {
        let now = Instant::now();
        let since = *self.stuck.get_or_insert(now);
        let patience = self.shared.config.command_timeout.unwrap_or(PATIENCE);
        let (backoff, end) = (self.shared.config.backoff, after(since, patience));
        let pause = backoff.pause_until(Some(end), self.rounds, Duration::ZERO);
        self.rounds += 1;
        sleep(pause.ok_or_else(|| self.is_stuck())?).await;
        Ok(())
    }

    #[cold]
    fn is_stuck(&self) -> Error {
        let mut left = SlotSet::all();
        left.retain(|slot| !self.position.done.has(slot));
        let trouble = self.trouble.as_ref();
        let trouble = trouble.map_or_else(String::new, |text| format!(" (last failure: {text})"));
        let text = format!(
            "the nodes do not show a settled state of these slots: {left}{trouble}; the cursor goes on when they do"
        );
        let error = ClusterError::new(ClusterCause::Unsettled, text);
        Error::new(ErrorKind::Cluster(error), Phase::Refused)
    }

    /// Leaves the node; what was not counted as done there is looked for again.
    fn leave(&mut self) {
        self.visit = None;
        match &mut self.position.stretch {
            Some(stretch) if matches!(stretch.cursor, ScanCursor::Cluster(_)) => {
                stretch.node.clear();
            }
            stretch => *stretch = None,
        }
    }

    // ---- choosing a node ----

    /// Begins a stretch on a node that has slots to be done, if there is one.
    async fn choose(&mut self) -> Result<Step> {
        if std::mem::take(&mut self.tries_clusterscan) {
            self.position.stretch = Some(Stretch {
                cursor: ScanCursor::Cluster("0".to_owned()),
                node: String::new(),
                run: String::new(),
                epoch: 0,
                base: 0,
                stable: SlotSet::new(),
                is_doubtful: false,
            });
            return Ok(Step::On);
        }
        let Some(node) = self.next_node() else {
            return Ok(Step::Over);
        };
        let begin = Snapshot::of(&node).await?;
        let wanted = self.wanted_at(&begin);
        let Some(first) = wanted.next_from(0) else {
            // The map is older than what the node says, a move is over, or the target of one does not answer.
            self.forget_halves(&begin);
            self.shared.want_refresh();
            self.pause().await?;
            return Ok(Step::On);
        };
        let start = if begin.ordered { first } else { 0 };
        self.position.stretch = Some(Stretch {
            cursor: ScanCursor::Node(start.into()),
            node: begin.id.clone(),
            run: begin.run.clone(),
            epoch: begin.epoch,
            base: start,
            stable: begin.own.clone().unwrap_or_else(SlotSet::new),
            is_doubtful: false,
        });
        self.visit = Some(Visit::new(node, begin));
        Ok(Step::On)
    }

    /// The node of the first slot that is not done; `None` if there is none. What no node owns cannot be read.
    fn next_node(&self) -> Option<Arc<Node>> {
        let routes = self.shared.routes();
        let owner = |slot: u16| {
            let target = self.target_of(slot);
            let owner = target.or_else(|| routes.known_owner(slot).cloned());
            Some((slot, owner?))
        };
        let mut slots = (0..SLOTS).filter(|slot| !self.position.done.has(*slot));
        let (slot, named) = slots.find_map(owner)?;
        // If the node that the map names did not have it, another may. If the target of a move was of no use, its source knows
        // whether the move goes on.
        let other = || match self.source_of(slot) {
            Some(source) => Some(source),
            None => routes.any_primary().cloned(),
        };
        let other = (self.rounds % 2 == 1).then(other);
        Some(other.flatten().unwrap_or(named))
    }

    fn node_of(&self, id: &str) -> Option<Arc<Node>> {
        let routes = self.shared.routes();
        let known = routes.topology.nodes().iter();
        let mut known = known.filter(|node| node.id.as_deref().unwrap_or_default() == id);
        routes.at(&known.next()?.address).cloned()
    }

    /// The slots that are to be looked for on a node.
    fn wanted_at(&self, snapshot: &Snapshot) -> SlotSet {
        let mut wanted = snapshot.own.clone().unwrap_or_else(SlotSet::new);
        // What is arriving is of use only after its source was gone through.
        let arriving = snapshot.arriving.keys();
        let arriving = arriving.filter(|slot| self.halves.contains_key(slot));
        let leaving = snapshot.leaving.keys();
        let leaving = leaving.filter(|slot| !self.is_half(**slot, snapshot));
        for slot in leaving.chain(arriving) {
            wanted.insert(*slot);
        }
        wanted.retain(|slot| !self.position.done.has(slot));
        wanted
    }

    // ---- one node ----

    async fn node_page(&mut self, cursor: u64) -> Result<()> {
        self.return_to_node(cursor).await?;
        let (Some(visit), Some(_)) = (&self.visit, &self.position.stretch) else {
            return Ok(());
        };
        let args = self.first.at_cursor(cursor);
        let args = args.ok_or_else(|| Error::usage("it has no cursor, by which it could go on"))?;
        let page = Page::read(visit.node.once(Box::new(args)).frame().await?)?;
        let next: u64 = page.cursor.parse().map_err(|_| strange())?;
        let (ordered, wanted) = (visit.begin.ordered, self.wanted_at(&visit.begin));
        self.found.extend(page.in_slots(&wanted));
        self.advance(next, ordered, &wanted).await
    }

    /// Goes on behind a page.
    async fn advance(&mut self, next: u64, ordered: bool, wanted: &SlotSet) -> Result<()> {
        let at = u16::try_from(next % u64::from(SLOTS)).unwrap_or_default();
        let next = match ordered {
            _ if next == 0 => None,
            false => Some(next),
            true if wanted.has(at) => Some(next),
            // Slots that are done, or are not here, are passed over.
            true => wanted.next_from(at).map(u64::from),
        };
        let Some(next) = next else {
            self.close(SLOTS).await?;
            self.position.stretch = None;
            return Ok(());
        };
        if let Some(stretch) = &mut self.position.stretch {
            stretch.cursor = ScanCursor::Node(next);
        }
        if self.visit.as_mut().is_some_and(Visit::is_over) {
            let at = u16::try_from(next % u64::from(SLOTS)).unwrap_or_default();
            self.close(if ordered { at } else { 0 }).await?;
        }
        Ok(())
    }

    /// After a break, asks the node of the stretch whether it is the same process; if it is not, the stretch is over.
    async fn return_to_node(&mut self, cursor: u64) -> Result<()> {
        if self.visit.is_some() {
            return Ok(());
        }
        let stretch = self.position.stretch.as_ref();
        let node = stretch.and_then(|stretch| self.node_of(&stretch.node));
        let Some(node) = node else {
            self.position.stretch = None;
            return Ok(());
        };
        let mut begin = Snapshot::of(&node).await?;
        // Which slots were on their way before the break is not known.
        begin.leaving.clear();
        begin.arriving.clear();
        let ordered = begin.ordered;
        self.visit = Some(Visit::new(node, begin));
        let at = u16::try_from(cursor % u64::from(SLOTS)).unwrap_or_default();
        self.close(if ordered { at } else { 0 }).await
    }
}

/// Whether there is more to do after a step of a scan.
enum Step {
    On,
    Over,
}

impl Visit {
    fn new(node: Arc<Node>, begin: Snapshot) -> Self {
        Self {
            node,
            begin,
            since: Instant::now(),
            pages: 0,
        }
    }

    /// Counts a page. Returns whether the node should be asked again.
    fn is_over(&mut self) -> bool {
        self.pages += 1;
        self.pages >= PAGES || self.since.elapsed() >= WINDOW
    }
}
