//! A trait of one's own has a method of the same name: the traits have to be named.

use typedis::prelude::*;

trait Cache {
    async fn get(self, key: &str) -> Option<String>;
}

impl Cache for &Connection {
    async fn get(self, key: &str) -> Option<String> {
        StringCommands::get(self, key).await.ok().flatten()
    }
}

async fn wrong(conn: &Connection) {
    conn.get("k").await;
}

fn main() {}
