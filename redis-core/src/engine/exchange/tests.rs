#![allow(clippy::unwrap_used)]

use bytes::Bytes;

use std::time::Duration;

use super::*;
use crate::command::{CommandInfo, Keys, Timeout, command_info};
use crate::config::Config;
use crate::handle::Connection;

static WAIT: CommandInfo = command_info!("BLPOP").blocking().waits();

/// What the server hands out to another piece would be lost, and a wait without an end is never answered with nil.
#[tokio::test(start_paused = true)]
async fn a_nil_that_comes_at_the_deadline_is_a_timeout_and_no_other_piece_is_sent() {
    let seconds = Duration::from_secs;
    let connection = Connection::sleeping(Config::tcp("127.0.0.1", 1), None);
    let mut args = Args::lease(&WAIT, Keys::Ignored);
    let timeout = Timeout::from(0);
    args.block(&timeout);
    args.arg("timeout", &timeout);
    args.set_deadline(seconds(5));
    args.wait_in_pieces(Some(seconds(10)));
    let (mut sending, mut command) = (Sending::new(connection.link()), Command::new(args));
    let nil = || Delivery::Reply(Chunk::from(Bytes::from_static(b"*-1\r\n")));
    tokio::time::advance(seconds(4)).await;
    assert!(conclude(&mut sending, &mut command, nil()).is_none());
    tokio::time::advance(seconds(1)).await;
    let outcome = conclude(&mut sending, &mut command, nil()).unwrap();
    let (_, failure) = outcome.into_parts().unwrap();
    assert!(matches!(
        failure,
        Some(Failure::Timeout(Phase::MaybeApplied, _))
    ));
}
