//! A pair of host and port is no URL.

async fn wrong() -> typedis::Result<()> {
    typedis::connect(("localhost", 6379)).await?;
    Ok(())
}

fn main() {}
