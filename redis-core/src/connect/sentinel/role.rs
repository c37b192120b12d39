//! What a node says of its role, which a Sentinel may not know: [`verified`].

use std::io;

use tokio::time::timeout_at;

use super::ask::{send, timed_out};
use crate::config::{Protocol, ServiceRole};
use crate::connect::attempt::{Attempt, Greeted};
use crate::connect::handshake::{Hello, role_named};
use crate::connect::refusal::Refusal;
use crate::connect::replies::Replies;
use crate::error::ServerError;
use crate::reply::Frame;
use crate::runtime::planted::Planted;

/// A socket to a node that itself says that it has the wanted role: a Sentinel may not know the newest state.
pub(super) async fn verified(
    attempt: &Attempt<'_>,
    wanted: ServiceRole,
) -> Result<Greeted, Refusal> {
    let mut greeted = attempt.run().await?;
    if Planted::TrustedSentinel.is_here() {
        return Ok(greeted);
    }
    let address = attempt.address;
    let Ok(role) = timeout_at(attempt.end, role(attempt, &mut greeted)).await else {
        return Err(timed_out(format!("{address} did not say its role in time")));
    };
    let problem = match (role?, wanted) {
        (Some(role), wanted) if role == wanted => return Ok(greeted),
        (Some(ServiceRole::Primary), _) => "is a primary, not a replica",
        (Some(ServiceRole::Replica), _) => "is a replica, not (yet) the primary",
        (None, _) => "is neither a primary nor a replica",
    };
    let text = format!("{address} {problem}");
    Err(Refusal::Io(io::Error::other(text)))
}

/// The role of a node. ROLE counts as dangerous, so a user may lack the permission for it; HELLO, which everybody may send,
/// says it too.
async fn role(
    attempt: &Attempt<'_>,
    greeted: &mut Greeted,
) -> Result<Option<ServiceRole>, Refusal> {
    let answer = ask(attempt, greeted, &["ROLE"]).await?;
    let Some(refused) = answer.reply().error() else {
        let name: Option<String> = answer
            .elements()
            .and_then(|mut elements| elements.next())
            .and_then(|name| name.decode().ok());
        return Ok(name.as_deref().and_then(role_named));
    };
    if !is_not_allowed(&refused) {
        return Err(Refusal::Server(refused));
    }
    let mut known = greeted.greeting.role;
    if known.is_none() && greeted.protocol == Protocol::Resp2 {
        // The handshake of RESP2 has no HELLO. This one changes nothing. A proxy may hang up on it: then the refusal is what
        // counts.
        let hello = ask(attempt, greeted, &["HELLO", "2"]).await;
        known = hello.ok().and_then(|hello| Hello::read(&hello).role);
    }
    match known {
        Some(role) => Ok(Some(role)),
        None => Err(Refusal::Server(explained(&refused))),
    }
}

/// Whether the user may not ask, or cannot, because the command was renamed.
fn is_not_allowed(refused: &ServerError) -> bool {
    let message = refused.message().to_ascii_lowercase();
    lacks_permission(refused) || message.starts_with("unknown command")
}

fn lacks_permission(refused: &ServerError) -> bool {
    refused.code() == "NOPERM"
}

fn explained(refused: &ServerError) -> ServerError {
    let advice = if lacks_permission(refused) {
        "permit ROLE, `+role` in the ACL"
    } else {
        "neither ROLE nor HELLO is known there; were they renamed?"
    };
    ServerError::new(&format!(
        "{refused} (a node of a service has to say its role: {advice})"
    ))
}

/// The answer to one command on a socket without a driver.
async fn ask(
    attempt: &Attempt<'_>,
    greeted: &mut Greeted,
    command: &[&str],
) -> Result<Frame, Refusal> {
    let stream = &mut *greeted.stream;
    let mut replies = Replies::after(attempt.config, &greeted.greeting.pushes);
    send(stream, &[command]).await?;
    let answer = replies.next(stream).await?;
    greeted.greeting.pushes = replies.finish()?;
    Ok(answer)
}
