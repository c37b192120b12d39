//! What signatures of your own name beside the handles: bounds of the library's methods, and the types that these return.
//!
//! A function over any handle needs none of this: it takes `impl Client`. What wraps more than that does, because it passes on what
//! a method of a handle takes:
//!
//! ```no_run
//! use typedis::generic::IntoRequest;
//! use typedis::prelude::*;
//! use typedis::{BatchHandle, Detached, Result};
//!
//! /// Executes any command, and says how long that took.
//! async fn timed<C>(client: impl Client, command: C) -> Result<C::Reply>
//! where
//!     C: IntoRequest<Sink = Detached>,
//!     C::Reply: FromRedis,
//! {
//!     let start = std::time::Instant::now();
//!     let reply = client.run(command).await;
//!     println!("{:?}", start.elapsed());
//!     reply
//! }
//!
//! /// Handles of a batch, to be taken when it has been executed.
//! struct Counters {
//!     visits: BatchHandle<i64>,
//!     logins: BatchHandle<i64>,
//! }
//!
//! # async fn example(conn: Connection) -> Result<()> {
//! timed(&conn, cmd().incr("visits")).await?;
//! # Ok(()) }
//! ```
//!
//! | for | names |
//! | --- | --- |
//! | what `run`, `Batch::push` and `pipeline_each` take | [`IntoRequest`] |
//! | what has command methods, and what they are sent to | [`Target`](crate::Target), [`Sink`]; [`Execute`] can be awaited, [`Queues`] is a pipeline or transaction |
//! | commands that block or change their connection | [`AllowsBlocking`], [`AllowsState`] |
//! | pipelines and transactions | [`Mode`], which is [`Plain`] or [`Atomic`]; [`Replies`], the list of their types; [`Commit`] for what `watch` takes |
//! | futures | [`ChainFuture`], [`EachPipeline`], [`EachPipelineFuture`] |
//! | streams over commands | [`IntoHost`] and [`Host`]; [`ScanPage`], [`Rows`], [`Frames`], [`Awaited`] |
//! | arguments of options and of records | [`Optional`], which is [`Given`] or [`Perhaps`], and [`OptionalArg`]; [`Fits`] with the columns [`Text`], [`Number`], [`Within`] and [`Key`]; [`BlockLimit`] |
//! | facts of commands, in a [`CommandInfo`](crate::CommandInfo) or a [`Raw`](crate::Raw) | [`Keys`], [`Block`], [`StateChange`], [`RequestPolicy`], [`ResponsePolicy`], [`Naming`]; [`RawInfo`], [`KnownCommands`], [`KnownCommand`], [`Blocks`] |

pub use typedis_core::{
    AllowsBlocking, AllowsState, Atomic, Awaited, Block, BlockLimit, Blocks, ChainFuture, Commit,
    EachPipeline, EachPipelineFuture, Execute, Fits, Frames, Given, Host, IntoHost, IntoRequest,
    Key, Keys, KnownCommand, KnownCommands, Mode, Naming, Number, Optional, OptionalArg, Perhaps,
    Plain, Queues, RawInfo, Replies, RequestPolicy, ResponsePolicy, Rows, ScanPage, Sink,
    StateChange, Text, Within,
};
