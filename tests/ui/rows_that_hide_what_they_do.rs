//! Rows of a user's own spec that are built-in commands: they have to say what those do to their connection.

typedis::commands! { pub trait ListenCommands from "spec/listens.toml" }
typedis::commands! { pub trait ReplyCommands from "spec/replies.toml" }
typedis::commands! { pub trait ChangeCommands from "spec/changes.toml" }
typedis::commands! { pub trait BlockCommands from "spec/blocks.toml" }
typedis::commands! { pub trait TableCommands from "spec/table.toml" }

fn main() {}
