//! A chat over publish and subscribe: what is typed goes to everyone in the room.
//!
//! `TYPEDIS_URL=redis://localhost cargo run --features json --example chat -- ada lobby`

use std::io::BufRead;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use typedis::Event;
use typedis::prelude::*;

/// The last message of a person who leaves.
const LEAVES: &str = "(leaves)";

#[derive(Serialize, Deserialize)]
struct Line {
    from: String,
    text: String,
}

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "somebody".to_owned());
    let room = format!(
        "chat:{}",
        arguments.next().unwrap_or_else(|| "lobby".to_owned())
    );

    let conn = typedis::connect(&url).await?;
    let mut channel = conn.subscribe(room.as_str()).await?;
    println!("You are in {room}. Type, and end with Ctrl-D.");

    let mut typed = terminal();
    let mut leaving = false;
    loop {
        tokio::select! {
            event = channel.next() => match event.transpose()? {
                Some(Event::Message(message)) => match message.decode_json::<Line>() {
                    Ok(line) => {
                        println!("{}: {}", line.from, line.text);
                        if leaving && line.from == name && line.text == LEAVES {
                            return Ok(());
                        }
                    }
                    // Any client can publish any text.
                    Err(error) => println!("(what came is no line: {error})"),
                },
                Some(Event::Lagged(count)) => println!("({count} lines were missed)"),
                Some(Event::Resubscribed) => println!("(the connection was lost for a while)"),
                Some(Event::Interrupted(why)) => println!("(no lines for now: {})", why.refusal()),
                Some(_) => {}
                None => return Ok(()),
            },
            text = typed.recv(), if !leaving => match text {
                Some(text) => {
                    conn.publish_json(&room, &Line { from: name.clone(), text }).await?;
                }
                // Wait until the last message has been sent.
                None => {
                    conn.publish_json(&room, &Line { from: name.clone(), text: LEAVES.to_owned() }).await?;
                    leaving = true;
                }
            },
        }
    }
}

/// The lines of the terminal, which a separate thread reads.
fn terminal() -> mpsc::Receiver<String> {
    let (lines, typed) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}
