//! What blocks, on a line where silence is to be noticed before the wait is over.

use std::time::Duration;

use typedis::{Config, ErrorKind, Exclusive, Protocol};
use typedis_testkit::fake::{Fake, Words};

use crate::cases::{Case, cases};

/// A quarter of it is the longest piece of a wait: less than the 10 ms that the calls here ask for.
const LIVENESS: Duration = Duration::from_millis(20);

/// Longer than a call takes here, on a busy machine too.
const SOON: Duration = Duration::from_secs(60);

/// Runs a call whose answer is nil, and gives what was sent. On a busy machine it may take so short a bound for a dead line, or
/// all of its time may be over after the first piece: then it is run again.
async fn sent(case: &Case) -> Vec<Vec<Vec<u8>>> {
    let runs = async {
        loop {
            match run(case).await {
                Ok(sent) => match &sent[..] {
                    [piece] if *piece != case.words => {}
                    _ => return sent,
                },
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::ConnectionLost(_)),
                    "{}: {error}",
                    case.call
                ),
            }
        }
    };
    let sent = tokio::time::timeout(SOON, runs).await;
    sent.unwrap_or_else(|_| panic!("{} does not end well", case.call))
}

async fn run(case: &Case) -> typedis::Result<Vec<Vec<Vec<u8>>>> {
    let nil = |command: &Words| match command.name().as_str() {
        "PING" => b"+PONG\r\n".to_vec(),
        "CLIENT" | "SELECT" => b"+OK\r\n".to_vec(),
        _ => b"*-1\r\n".to_vec(),
    };
    let fake = Fake::answering(nil).await.unwrap();
    let config = Config::tcp("127.0.0.1", fake.addr().port())
        .protocol(Protocol::Resp2)
        .liveness(LIVENESS);
    let exclusive = Exclusive::open(config).await?;
    let reply = exclusive.execute((case.build)()).await?;
    assert!(reply.reply().is_nil(), "{}", case.call);
    let received = fake.received(0).into_iter();
    let sent = received.map(|sent| sent.bytes().to_vec());
    Ok(sent.filter(|sent| sent[0] == case.words[0]).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_wait_is_asked_for_in_pieces_where_nil_says_that_nothing_came() {
    let mut waits = 0;
    for case in cases().into_iter().filter(|case| case.blocking) {
        let sent = sent(&case).await;
        // What WAIT counts is no nil: another piece would have to know what is missing.
        let is_nil_at_the_end = case.reply.starts_with("Option<");
        assert_eq!(
            (case.build)().info().waits,
            is_nil_at_the_end,
            "{}",
            case.call
        );
        if !is_nil_at_the_end || case.words.iter().any(|word| word == b"$") {
            assert_eq!(sent, std::slice::from_ref(&case.words), "{}", case.call);
            continue;
        }
        waits += 1;
        assert!(sent.len() > 1, "{}: {sent:?}", case.call);
        for piece in sent {
            assert_eq!(piece.len(), case.words.len(), "{}", case.call);
            let other = piece
                .iter()
                .zip(&case.words)
                .filter(|(sent, word)| sent != word);
            let [(time, whole)] = other.collect::<Vec<_>>()[..] else {
                panic!("{}: {piece:?}", case.call)
            };
            let number = |word: &[u8]| String::from_utf8_lossy(word).parse::<f64>().unwrap();
            assert!(
                number(time) > 0.0 && number(time) < number(whole),
                "{}: {piece:?}",
                case.call
            );
        }
    }
    assert!(waits > 0);
}
