//! What scripts put into statuses and errors: it is their caller's alone, whatever it is.

use typedis_core::{Connection, Error, Run, Script, Value, raw};
use typedis_testkit::{ServerKind, database};

use crate::support::*;

/// Scripts that answer texts with line breaks, and long ones.
const SCRIPTS: [&str; 8] = [
    r"error('one\ntwo')",
    r"error('\rone\rtwo\n\n')",
    r"error({err='ERR one\ntwo'})",
    r"return redis.error_reply('ERR one\r\n+two')",
    r"return redis.status_reply('one\ntwo')",
    r"return {ok='one\rtwo\n'}",
    r"error(string.rep('x', 200000))",
    r"return redis.status_reply(string.rep('x', 2000000))",
];

async fn eval(conn: &typedis_core::Connection, script: &str) -> Result<Value, Error> {
    conn.run(raw("EVAL").arg(script).arg(0).reply()).await
}

#[tokio::test]
async fn the_text_of_a_script_reaches_its_caller_and_disturbs_nobody_else() {
    let kinds = [
        ServerKind::Valkey9,
        ServerKind::Redis8,
        ServerKind::Valkey8,
        ServerKind::Redis6,
    ];
    for kind in kinds {
        let db = database(kind);
        for protocol in BOTH {
            let conn = connect(on(&db).protocol(protocol)).await;
            for script in SCRIPTS {
                let others = all((0..50).map(|n| conn.run(echo(&format!("text {n}")))));
                let (outcome, others) = tokio::join!(eval(&conn, script), others);
                for (n, reply) in others.into_iter().enumerate() {
                    assert_eq!(reply.unwrap(), format!("text {n}"), "{kind:?}: {script}");
                }
                let text = match outcome {
                    Ok(Value::Simple(text)) => String::from_utf8(text.to_vec()).unwrap(),
                    Ok(other) => panic!("{kind:?}: {script}: {other:?}"),
                    Err(error) => {
                        let text = error.server().expect(script).to_string();
                        assert!(!text.contains(['\r', '\n']), "{kind:?}: {text:?}");
                        text
                    }
                };
                // Redis 6 has no errors that are tables.
                let is_odd = kind == ServerKind::Redis6 && script.starts_with("error({");
                let is_whole = text.contains("one") || text.len() >= 200_000;
                assert!(is_whole || is_odd, "{kind:?}: {script}: {text}");
            }
            assert_eq!(conn.stats().reconnects, 0, "{kind:?}, {protocol:?}");
        }
    }
}

/// Such a code does not mean that nothing was carried out.
#[tokio::test]
async fn a_script_whose_error_has_the_code_of_a_refusal_is_not_called_again() {
    let conn = connect(on(&db())).await;
    let text = "redis.call('INCR', KEYS[1]) return redis.error_reply('BUSY the lock is held')";
    let script = Script::new(text);
    let own = raw("EVAL").arg(text).arg(1).key("n");
    let call = || script.call::<i64>(["n"], ());
    assert_busy(conn.run(own.reply::<i64>()), &conn, 1).await;
    assert_busy(conn.run(call()), &conn, 2).await;
    assert_busy(conn.run(call()), &conn, 3).await;
    assert_busy(conn.pipeline().run(call()), &conn, 4).await;
    // Now without SCRIPT LOAD before it.
    assert_busy(conn.pipeline().run(call()), &conn, 5).await;
}

/// It fails at once, and was carried out once.
async fn assert_busy<T: std::fmt::Debug>(
    call: impl IntoFuture<Output = typedis_core::Result<T>>,
    conn: &Connection,
    count: i64,
) {
    let error = failed(soon("the error of a script", call).await);
    assert_eq!(error.server().unwrap().code(), "BUSY", "{error}");
    assert_eq!(counter(conn, "n").await, count);
}
