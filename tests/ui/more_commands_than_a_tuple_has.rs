//! A chain has a type for each reply, and a tuple for up to 32 of them.

use typedis::prelude::*;

async fn wrong(conn: Connection) -> typedis::Result<()> {
    let pipeline = conn
        .pipeline()
        .set("0", 0)
        .set("1", 1)
        .set("2", 2)
        .set("3", 3)
        .set("4", 4)
        .set("5", 5)
        .set("6", 6)
        .set("7", 7)
        .set("8", 8)
        .set("9", 9)
        .set("10", 10)
        .set("11", 11)
        .set("12", 12)
        .set("13", 13)
        .set("14", 14)
        .set("15", 15)
        .set("16", 16)
        .set("17", 17)
        .set("18", 18)
        .set("19", 19)
        .set("20", 20)
        .set("21", 21)
        .set("22", 22)
        .set("23", 23)
        .set("24", 24)
        .set("25", 25)
        .set("26", 26)
        .set("27", 27)
        .set("28", 28)
        .set("29", 29)
        .set("30", 30)
        .set("31", 31);
    pipeline.set("32", 32).await?;
    Ok(())
}

fn main() {}
