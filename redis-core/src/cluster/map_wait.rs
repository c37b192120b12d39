//! The wait for the first map of a cluster that was opened without one.

use std::future::poll_fn;
use std::task::Poll;

use tokio::time::{Instant, timeout_at};

use super::shared::Shared;
use crate::command::Args;
use crate::engine::inflight::{Limit, Patience};
use crate::engine::single::terms_of;
use crate::error::{Error, Phase, Result};

/// Waits until there is a map; most clusters have it from the beginning.
///
/// # Errors
/// There is none by `end`, the servers refuse to tell it, or the cluster was closed.
pub(super) async fn map_by(shared: &Shared, end: Option<Instant>) -> Result<()> {
    if shared.first_map.is_found() {
        return Ok(());
    }
    if let Some(refusal) = shared.life.refusal() {
        return Err(refusal.into());
    }
    shared.want_refresh();
    let wait = shared.life.wait();
    let found = poll_fn(|cx| {
        let is_over = wait.is_over(cx);
        outcome(shared, is_over).map_or(Poll::Pending, Poll::Ready)
    });
    match end {
        None => found.await,
        Some(end) => timeout_at(end, found).await.unwrap_or_else(|_| {
            let obstacle = shared.first_map.obstacle();
            Err(Error::timeout(Phase::NotSent, obstacle))
        }),
    }
}

/// The same, for a command, which then has what is left of its time. Says when that is over.
pub(super) async fn map_for(shared: &Shared, args: &mut Args) -> Result<Option<Instant>> {
    let limit = terms_of(args).patience;
    let limit = limit.limit(shared.config.command_timeout);
    let end = Limit::from(limit, Instant::now());
    if shared.first_map.is_found() {
        return Ok(end);
    }
    let found = map_by(shared, end).await;
    found.map_err(|error| error.of_command(args.name()))?;
    if let Some(end) = end {
        args.set_time_left(end.saturating_duration_since(Instant::now()));
    }
    Ok(end)
}

/// The same, for something that may take as long as this.
pub(super) async fn map_within(shared: &Shared, patience: Patience) -> Result<()> {
    let limit = patience.limit(shared.config.command_timeout);
    map_by(shared, limit.from(Instant::now())).await
}

fn outcome(shared: &Shared, is_over: bool) -> Option<Result<()>> {
    if shared.first_map.is_found() {
        return Some(Ok(()));
    }
    let end = || shared.life.end_of_all().map(Error::from);
    let end = is_over.then(end).flatten();
    end.or_else(|| shared.first_map.refusal()).map(Err)
}
