//! Servers quote the arguments of commands that they do not know, and cut them short: no error and no event shows a password.

use std::time::Duration;

use typedis_core::{Connection, ConnectionEvent, Credentials, ErrorKind, Protocol};
use typedis_testkit::{Server, ServerKind};

use crate::support::{at, event, ping, refusal, within};

const KINDS: [ServerKind; 3] = [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6];

/// Longer than what a server quotes.
fn token() -> String {
    (100..175).map(|number| format!("x{number}")).collect()
}

/// A token with line breaks, which servers change when they quote them.
fn lines() -> String {
    token().replace("x11", "\r\n")
}

fn assert_hides(text: &str, token: &str) {
    let (text, token) = (
        text.replace(['\r', '\n'], " "),
        token.replace(['\r', '\n'], " "),
    );
    assert!(text.contains("unknown command"), "{text}");
    for start in 0..token.len() - 16 {
        assert!(!text.contains(&token[start..start + 16]), "{text}");
    }
}

#[tokio::test]
async fn an_unknown_login_shows_no_part_of_a_long_token() {
    for kind in KINDS {
        let server = Server::builder(kind)
            .line("rename-command HELLO \"\"")
            .line("rename-command AUTH \"\"")
            .start()
            .unwrap();
        for token in [token(), lines()] {
            let config = at(server.addr()).password(&token);
            let error = refusal(config.clone()).await;
            assert!(matches!(error.kind(), ErrorKind::Handshake(_)), "{error}");
            assert_hides(&format!("{error} {error:?}"), &token);
            let lazy = Connection::lazy(config).unwrap();
            let mut events = lazy.events();
            let asked = tokio::spawn(async move { ping(&lazy).await });
            let failed = |event: &ConnectionEvent| matches!(event, ConnectionEvent::Failed(_));
            assert_hides(&event(&mut events, failed).await.to_string(), &token);
            let error = within(asked).await.unwrap().unwrap_err();
            assert_hides(&format!("{error} {error:?}"), &token);
        }
    }
}

#[tokio::test]
async fn an_unknown_login_shows_no_part_of_a_new_token() {
    for (kind, token) in [
        (ServerKind::Valkey9, token()),
        (ServerKind::Redis8, lines()),
    ] {
        let server = Server::builder(kind)
            .line("user alice on nopass ~* +@all")
            .line("rename-command AUTH \"\"")
            .start()
            .unwrap();
        let given = token.clone();
        let config = at(server.addr())
            .protocol(Protocol::Newest)
            .credentials_provider(move || {
                let token = given.clone();
                async move {
                    let valid = Duration::from_millis(125);
                    Ok::<_, std::io::Error>(Credentials::new("alice", token).valid_for(valid))
                }
            });
        let conn = within(Connection::open(config)).await.unwrap();
        let refused =
            |event: &ConnectionEvent| matches!(event, ConnectionEvent::ReauthenticationFailed(_));
        let told = event(&mut conn.events(), refused).await;
        assert_hides(&format!("{told} {told:?}"), &token);
    }
}
