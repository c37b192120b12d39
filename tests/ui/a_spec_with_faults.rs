//! All faults of a spec are reported at once, each with its line, what was found and what was expected.

typedis::commands! { pub trait ShopCommands from "spec/wrong.toml" }

fn main() {}
