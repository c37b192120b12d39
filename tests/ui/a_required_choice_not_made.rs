//! GEOSEARCH needs a centre and a shape.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    conn.geosearch::<String>("places").asc().await?;
    Ok(())
}

fn main() {}
