//! An exclusive socket, leased from a pool.
//!
//! `TYPEDIS_URL=redis://localhost cargo run --example pool`

use typedis::prelude::*;

#[tokio::main]
async fn main() -> typedis::Result<()> {
    let url = std::env::var("TYPEDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    let pool = typedis::pool(&url).await?;

    let own = pool.exclusive().await?;
    own.client_setname("leased").await?;
    println!("its name is {:?}", own.client_getname().await?);
    // A socket whose state was changed is closed when it comes back, so that the next borrower gets a clean one.
    drop(own);

    let own = pool.exclusive().await?;
    println!("the next one's name is {:?}", own.client_getname().await?);
    Ok(())
}
