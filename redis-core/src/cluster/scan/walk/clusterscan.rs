//! Pages of CLUSTERSCAN, with which a cluster of Valkey 9.1 is scanned as a whole.
//!
//! Its cursor is hashed like a key, and goes through the slots in their order. While a slot is moved key by key, its source
//! answers ASK, and the target lists only what has arrived: so from then on each node is scanned by itself.

use std::sync::Arc;

use super::super::page::Page;
use super::super::position::ScanCursor;
use super::super::slot_set::SlotSet;
use super::super::snapshot::Snapshot;
use super::{Visit, Walker};
use crate::cluster::nodes::Node;
use crate::cluster::redirect::Redirect;
use crate::command::{Args, CommandInfo, Keys, SLOTS, command_info, slot};
use crate::error::{Error, Result, ServerError};

static CLUSTERSCAN: CommandInfo = command_info!("CLUSTERSCAN").readonly();

impl Walker {
    pub(super) async fn cluster_page(&mut self, cursor: String) -> Result<()> {
        let at = slot(&cursor);
        let Some(node) = self.shared.routes().known_owner(at).cloned() else {
            self.end_clusterscan();
            return Ok(());
        };
        if cursor != "0" {
            self.stand_at(&node, at).await?;
        }
        let reply = node.once(self.clusterscan(&cursor)).frame().await?;
        if let Some(error) = reply.reply().error() {
            return self.refused(&error, &node, at).await;
        }
        let page = Page::read(reply)?;
        let wanted = self
            .visit
            .as_ref()
            .map(|visit| self.wanted_at(&visit.begin));
        let elements = wanted.map_or_else(Vec::new, |wanted| page.in_slots(&wanted));
        self.found.extend(elements);
        if page.cursor == "0" {
            self.close(SLOTS).await?;
            self.end_clusterscan();
            return Ok(());
        }
        if let Some(stretch) = &mut self.position.stretch {
            stretch.cursor = ScanCursor::Cluster(page.cursor.clone());
        }
        if self.visit.as_mut().is_some_and(Visit::is_over) {
            self.close(slot(&page.cursor)).await?;
        }
        Ok(())
    }

    /// The page of CLUSTERSCAN, with the options of the command.
    fn clusterscan(&self, cursor: &str) -> Box<Args> {
        let mut args = Args::lease(&CLUSTERSCAN, Keys::Ignored);
        args.word(cursor);
        let words = self.first.to_words();
        let options = words.iter().skip(self.first.info().words as usize + 1);
        options.for_each(|word| args.arg("option", word));
        if let Some(deadline) = self.first.deadline() {
            args.set_deadline(deadline);
        }
        args
    }

    /// Counts what was done on the node before, if this is another one.
    async fn stand_at(&mut self, node: &Arc<Node>, at: u16) -> Result<()> {
        let is_here = |visit: &Visit| Arc::ptr_eq(&visit.node, node);
        if self.visit.as_ref().is_some_and(is_here) {
            return Ok(());
        }
        if self.visit.is_some() {
            self.close(at).await?;
        }
        let begin = Snapshot::of(node).await?;
        if let Some(stretch) = &mut self.position.stretch {
            // A part of the slot may have been gone through on another node, or at another time.
            let is_whole = is_start(&stretch.cursor);
            (stretch.node, stretch.run) = (begin.id.clone(), begin.run.clone());
            (stretch.epoch, stretch.base) = (begin.epoch, at);
            stretch.stable = begin.own.clone().unwrap_or_else(SlotSet::new);
            if !is_whole {
                stretch.stable.remove(at);
            }
        }
        self.visit = Some(Visit::new(node.clone(), begin));
        Ok(())
    }

    async fn refused(&mut self, error: &ServerError, node: &Node, at: u16) -> Result<()> {
        match Redirect::parse(&error.to_string()) {
            // While a slot is moved key by key, its source sends the scan to the target, where only some of its keys are.
            Some(redirect) if error.code() == "MOVED" => {
                let address = redirect.address(&node.address);
                if let Some(address) = address {
                    self.shared
                        .moved(redirect.slot, &self.shared.config.mapped(address));
                }
                self.pause().await?;
            }
            Some(_) => {
                self.close(at).await?;
                self.end_clusterscan();
            }
            None if error.is_transient() => return Err(Error::refused(error.clone())),
            // The server does not have it, or does not allow it.
            None => self.end_clusterscan(),
        }
        Ok(())
    }

    /// What is not done by then is left to SCAN.
    fn end_clusterscan(&mut self) {
        self.visit = None;
        self.position.stretch = None;
    }
}

/// Whether a cursor of CLUSTERSCAN, such as `36nhb8-{67W}-277`, stands at the beginning of its slot: the lowest 14 bits of its
/// number are the slot.
fn is_start(cursor: &ScanCursor) -> bool {
    let ScanCursor::Cluster(cursor) = cursor else {
        return false;
    };
    let number = cursor
        .rsplit('-')
        .next()
        .and_then(|number| number.parse::<u64>().ok());
    number.is_some_and(|number| number < u64::from(SLOTS))
}
