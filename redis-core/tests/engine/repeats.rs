//! Pipelines that are lost or refused: which of them are sent again as a whole.

use typedis_core::{CommandInfo, Connection, Run, raw};
use typedis_testkit::fake::Fake;

use crate::loss::may_be_applied;
use crate::support::*;

/// SET as the spec has it.
static SET_AGAIN: CommandInfo = CommandInfo::new("SET", b"$3\r\nSET\r\n", 1).idempotent();

/// A server that loses its first socket when it has read `lost`, after it has sent `answers`. On the next one it answers every command.
async fn loses_once(lost: &'static str, answers: &'static str) -> Fake {
    Fake::start(move |mut peer| async move {
        after_handshake(&mut peer).await?;
        while let Some(command) = peer.command().await? {
            if peer.number() > 0 {
                peer.send("+again\r\n").await?;
            } else if command.name() == lost {
                peer.send(answers).await?;
                return Ok(());
            }
        }
        Ok(())
    })
    .await
    .unwrap()
}

async fn resp2(fake: &Fake) -> Connection {
    connect(at(fake.addr()).protocol(typedis_core::Protocol::Resp2)).await
}

/// What came over a socket after the handshake.
fn commands(fake: &Fake, connection: usize) -> Vec<String> {
    let names = fake.received(connection).into_iter();
    let names = names.map(|words| words.name());
    names.filter(|name| name != "CLIENT").collect()
}

/// Each alone could be repeated. Together they could not: the read would see what the write behind it has done.
#[tokio::test]
async fn a_read_before_a_write_is_not_repeated_with_it() {
    let fake = loses_once("SET", "").await;
    let conn = resp2(&fake).await;
    let chain = known::<_, String>(conn.pipeline(), &GET, &["k"]);
    let error = failed(known::<_, ()>(chain, &SET_AGAIN, &["k", "new"]).await);
    assert!(may_be_applied(&error), "{error}");
    ping_works_anyhow(&conn).await;
    assert_eq!(commands(&fake, 1), ["ECHO"]);
}

/// The first may have been visible for long when it is done again, over what the second has done.
#[tokio::test]
async fn two_writes_are_not_repeated_together() {
    let fake = loses_once("EXISTS", "").await;
    let conn = resp2(&fake).await;
    let chain = known::<_, String>(conn.pipeline(), &SET_AGAIN, &["k", "a"]);
    let chain = known::<_, String>(chain, &SET_AGAIN, &["k", "b"]);
    let error = failed(
        chain
            .run(raw("EXISTS").key("k").readonly().reply::<String>())
            .await,
    );
    assert!(may_be_applied(&error), "{error}");
    ping_works_anyhow(&conn).await;
    assert_eq!(commands(&fake, 1), ["ECHO"]);
}

#[tokio::test]
async fn a_write_and_the_reads_behind_it_are_repeated() {
    let fake = loses_once("GET", "").await;
    let conn = resp2(&fake).await;
    let chain = known::<_, String>(conn.pipeline(), &SET_AGAIN, &["k", "new"]);
    let chain = known::<_, String>(chain, &GET, &["k"]);
    let replies = soon("a pipeline", chain).await.unwrap();
    assert_eq!(replies, ("again".to_owned(), "again".to_owned()));
}

/// It was certainly carried out, and another client may have written since.
#[tokio::test]
async fn a_write_that_was_answered_is_not_repeated_with_its_pipeline() {
    let fake = loses_once("GET", "+done\r\n").await;
    let conn = resp2(&fake).await;
    let chain = known::<_, String>(conn.pipeline(), &SET_AGAIN, &["k", "new"]).attempt();
    let chain = known::<_, String>(chain, &GET, &["k"]).attempt();
    let (write, read) = soon("a pipeline", chain).await.unwrap();
    assert_eq!(write.unwrap(), "done");
    assert!(may_be_applied(&failed(read)));
    ping_works_anyhow(&conn).await;
    assert_eq!(commands(&fake, 1), ["ECHO"]);
}

#[tokio::test]
async fn reads_of_which_some_were_answered_are_repeated() {
    let fake = loses_once("ECHO", "+once\r\n").await;
    let conn = resp2(&fake).await;
    let chain = known::<_, String>(conn.pipeline(), &GET, &["k"]);
    let chain = known::<_, String>(chain, &ECHO, &["x"]);
    let replies = soon("a pipeline", chain).await.unwrap();
    assert_eq!(replies, ("again".to_owned(), "again".to_owned()));
}

/// Some of its commands may have been carried out.
#[tokio::test]
async fn a_refusal_that_passes_is_waited_for_by_single_commands_and_told_to_pipelines() {
    const LOADING: &str = "-LOADING Redis is loading the dataset in memory\r\n";
    let fake = Fake::start(|mut peer| async move {
        after_handshake(&mut peer).await?;
        let mut refused = 0;
        while let Some(command) = peer.command().await? {
            let reply = match command.name().as_str() {
                "MULTI" => "+OK\r\n",
                "EXEC" => "-EXECABORT Transaction discarded because of previous errors.\r\n",
                "ECHO" => LOADING,
                _ if refused < 3 => {
                    refused += 1;
                    LOADING
                }
                _ => ":1\r\n",
            };
            peer.send(reply).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let conn = resp2(&fake).await;
    let reply = soon("a single command", conn.run(incr("n"))).await;
    assert_eq!(reply.unwrap(), 1);
    let is_loading = |error: typedis_core::Error| {
        assert_eq!(error.server().unwrap().code(), "LOADING", "{error}");
    };
    let pipeline = conn.pipeline().run(incr("n")).run(echo("x"));
    is_loading(failed(soon("a pipeline", pipeline).await));
    let transaction = conn.transaction().run(incr("n")).run(echo("x"));
    is_loading(failed(soon("a transaction", transaction).await));
    let each = conn.pipeline_each(["x", "y"], |_, text| echo(text));
    is_loading(failed(soon("a pipeline for each", each).await));
    let mut batch = conn.batch();
    let (done, refused) = (batch.push(incr("n")), batch.push(echo("x")));
    let mut replies = soon("a batch", batch.execute()).await.unwrap();
    assert_eq!(replies.take(done).unwrap(), 1);
    is_loading(failed(replies.take(refused)));
    let sent = commands(&fake, 0);
    let count = |name: &str| sent.iter().filter(|sent| *sent == name).count();
    assert_eq!((count("INCR"), count("ECHO")), (4 + 3, 5), "{sent:?}");
}

/// For a server that answers anything.
async fn ping_works_anyhow(conn: &Connection) {
    let reply = soon("an echo", conn.run(echo("x"))).await;
    assert_eq!(reply.unwrap(), "again");
}
