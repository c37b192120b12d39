//! Publishing values as JSON: [`PublishJson`].

use serde_core::Serialize;

use crate::codec::Json;
use crate::command::{CommandInfo, Naming, ToArg, command_info};
use crate::request::{Request, Target};

static PUBLISH: CommandInfo = command_info!("PUBLISH").naming(const { &Naming::NONE.channel() });

/// Publishes values as JSON; every target has it.
pub trait PublishJson: Target {
    /// Sends `value` as JSON to everyone who is subscribed to `channel`, and replies with the number of receivers.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(conn: typedis::Connection) -> typedis::Result<()> {
    /// use typedis::pubsub::PublishJson;
    ///
    /// let readers = conn.publish_json("numbers", &[1, 2, 3]).await?;
    /// # Ok(()) }
    /// ```
    fn publish_json<T: Serialize + ?Sized>(
        self,
        channel: impl ToArg,
        value: &T,
    ) -> Request<Self::Sink, i64> {
        Request::new(self, &PUBLISH, |args| {
            args.arg("channel", &channel);
            args.arg("message", &Json(value));
        })
    }
}

impl<T: Target> PublishJson for T {}
