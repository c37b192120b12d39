//! Reads from replicas.
//!
//! # Layout
//!
//! - this file: a command on its way to replicas
//! - `choice`: which nodes are asked, in which order
//! - `empty`: replies that may mean that there is no such key
//! - `watch`: asks nodes how they fare

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::map_wait::map_for;
use super::nodes::Node;
use super::pending::ClusterPending;
use super::redirect::{Redirect, RedirectKind};
use super::shared::Shared;
use super::topology::NodeRole;
use crate::command::{Args, RequestPolicy, ResponsePolicy, Slots};
use crate::config::ReadFrom;
use crate::error::{
    ClusterCause, ClusterError, Error, ErrorKind, Phase, Result, ServerVersion, Since,
};
use crate::handle::Answer;
use crate::reply::Frame;
use crate::runtime;

mod choice;
mod empty;
mod watch;

/// How often it is checked whether a node that does not answer is known to be sick.
const LOOK: Duration = Duration::from_millis(100);

/// Servers whose replicas say so when a key is on its way to another node.
const TELLS_OF_MOVES: Since = Since::new(None, Some([8, 0, 0]));

/// Begins to ask nodes how they fare, unless that was begun already.
pub(super) fn start_watch(shared: &Arc<Shared>) {
    if !shared.begins_watch() {
        return;
    }
    runtime::spawn(watch::run(Arc::downgrade(shared)));
}

/// Whether a command may be sent to a replica. The sockets of replicas are shared like others.
pub(super) fn may_read(args: &mut Args) -> bool {
    args.info().readonly
        && !args.is_for_primary()
        && matches!(args.slots(), Slots::One(_))
        && (args.is_plain() || args.conduct().unfit_for_shared().is_none())
}

/// Sends a command that only reads to the nodes of a view, one after another until one answers; says which did.
pub(super) async fn read(shared: &Shared, view: Arc<ReadFrom>, args: Box<Args>) -> Answer {
    let mut server = None;
    let outcome = read_from(shared, view, args, &mut server).await;
    (outcome, server)
}

async fn read_from(
    shared: &Shared,
    view: Arc<ReadFrom>,
    mut args: Box<Args>,
    server: &mut Option<ServerVersion>,
) -> Result<Frame> {
    if let Some(error) = args.take_error() {
        return Err(error);
    }
    let Slots::One(slot) = args.slots() else {
        return at_primary(shared, args, false, server).await;
    };
    let mut is_onward = !shared.first_map.is_found();
    let end = map_for(shared, &mut args).await?;
    let nodes = choice::order(&shared.routes(), slot, &view);
    let shows = shows_missing_keys(&args);
    for (node, role) in nodes {
        may_go_on(shared, is_onward).map_err(|error| error.of_command(args.name()))?;
        let is_of_use = shows || tells_of_moves(&node) != Some(false);
        if role == NodeRole::Primary || !is_of_use {
            return at_primary(shared, args, is_onward, server).await;
        }
        let outcome = ask(shared, &node, slot, &args, is_onward).await;
        *server = node.server_of(NodeRole::Replica);
        // The end of the cluster is not among the outcomes after which others are asked.
        is_onward = true;
        // All nodes together take no longer than one may.
        if let Some(end) = end {
            args.set_time_left(end.saturating_duration_since(Instant::now()));
        }
        match outcome {
            Outcome::Reply(frame) => return Ok(frame),
            Outcome::Failed(error) => return Err(error),
            Outcome::AskPrimary => return at_primary(shared, args, is_onward, server).await,
            Outcome::AskAnother => node.health().note_failure(),
        }
    }
    may_go_on(shared, is_onward).map_err(|error| error.of_command(args.name()))?;
    if *view == ReadFrom::Replica {
        return Err(no_replica(slot).of_command(args.name()));
    }
    at_primary(shared, args, is_onward, server).await
}

/// Whether something may be sent. What was on its way when the cluster began to be closed may be for longer.
///
/// # Errors
/// The cluster is closed, or is being closed.
fn may_go_on(shared: &Shared, is_onward: bool) -> Result<()> {
    let life = &shared.life;
    let end = if is_onward {
        life.end_of_all()
    } else {
        life.refusal()
    };
    end.map_or(Ok(()), |end| Err(end.into()))
}

/// Whether a failure is the end of the cluster; after that of the node alone, another is asked.
fn is_end(shared: &Shared, error: &Error, is_onward: bool) -> bool {
    let is_closed = matches!(error.kind(), ErrorKind::Closed | ErrorKind::RuntimeEnded);
    is_closed && may_go_on(shared, is_onward).is_err()
}

/// Whether it is seen in the reply if a key does not exist: the reply is that of one key, or has a value for each key.
fn shows_missing_keys(args: &Args) -> bool {
    let info = args.info();
    let has_each = info.request_policy == RequestPolicy::MultiShard
        && info.response_policy == ResponsePolicy::Default;
    info.cacheable && (has_each || args.count_keys() == 1)
}

/// Whether a replica says so when a key is on its way to another node; `None` if its version is not known yet.
fn tells_of_moves(node: &Node) -> Option<bool> {
    let server = node.server_of(NodeRole::Replica)?;
    Some(!TELLS_OF_MOVES.is_beyond(server))
}

#[cold]
fn no_replica(slot: u16) -> Error {
    let text = format!(
        "no replica of the slot {slot} is well, and `read_from` says that nothing else is to be read from"
    );
    let error = ClusterError::new(ClusterCause::NoReplica, text);
    Error::new(ErrorKind::Cluster(error), Phase::NotSent)
}

async fn at_primary(
    shared: &Shared,
    args: Box<Args>,
    is_onward: bool,
    server: &mut Option<ServerVersion>,
) -> Result<Frame> {
    let mut pending = ClusterPending::new(shared, args);
    if is_onward {
        pending.go_on(None);
    }
    let outcome = std::future::poll_fn(|cx| pending.poll_frame(cx)).await;
    *server = pending.link().and_then(|link| link.server());
    outcome
}

/// What a replica's answer means.
enum Outcome {
    Reply(Frame),
    Failed(Error),
    AskPrimary,
    AskAnother,
}

async fn ask(shared: &Shared, node: &Node, slot: u16, args: &Args, is_onward: bool) -> Outcome {
    let again = Box::new(args.again());
    let reply = if is_onward {
        node.once_onward(NodeRole::Replica, again)
    } else {
        node.once_as(NodeRole::Replica, again)
    };
    let mut reply = std::pin::pin!(reply.frame());
    let frame = loop {
        match timeout(LOOK, &mut reply).await {
            Ok(Ok(frame)) => break frame,
            Ok(Err(error)) if error.is_timeout() || is_end(shared, &error, is_onward) => {
                return Outcome::Failed(error);
            }
            Ok(Err(_)) => return Outcome::AskAnother,
            Err(_) if node.health().is_well() => {}
            Err(_) => return Outcome::AskAnother,
        }
    };
    let tells = tells_of_moves(node) == Some(true);
    let Some(error) = frame.reply().error() else {
        let has_all = shows_missing_keys(args) && !empty::may_mean_no_key(frame.as_bytes());
        return if tells || has_all {
            Outcome::Reply(frame)
        } else {
            Outcome::AskPrimary
        };
    };
    match Redirect::parse(&error.to_string()) {
        Some(redirect) => {
            heed(shared, node, slot, &redirect);
            Outcome::AskPrimary
        }
        None if error.code() == "TRYAGAIN" => Outcome::AskPrimary,
        None if error.is_transient() => Outcome::AskAnother,
        // It may be about a key that is on its way.
        None if !tells => Outcome::AskPrimary,
        None => Outcome::Reply(frame),
    }
}

/// A replica that names its own primary only says that it does not carry this out. One that names another node knows of a move.
fn heed(shared: &Shared, node: &Node, slot: u16, redirect: &Redirect) {
    let (RedirectKind::Moved, Some(told)) = (redirect.kind, redirect.address(&node.address)) else {
        return;
    };
    let address = shared.config.mapped(told);
    let routes = shared.routes();
    let owner = routes.topology.primary_of(slot);
    if owner.is_none_or(|owner| owner.address != address) {
        shared.moved(redirect.slot, &address);
    }
}
