//! Hashes that all have the same fields: [`FieldSet`].

use typedis_core::{
    Batch, CommandInfo, Connection, Detached, Error, Exclusive, Pool, Request, Result, ToArg,
    ToArgs,
};

use crate::commands::hash::{HIMPORT_PREPARE, HIMPORT_SET};

/// The commands of HIMPORT, in a form that goes over any socket: here it is known what its connection has to hold.
static PREPARE: CommandInfo = HIMPORT_PREPARE.on_any_socket();
static SET: CommandInfo = HIMPORT_SET.on_any_socket();

/// The fields of many hashes, which are sent once for a connection rather than with each hash: HIMPORT, since Redis 8.10.
///
/// The server keeps the names of the fields with the connection, and forgets them when it is lost. [`FieldSet::import`] gives
/// them again where they are missing, so it goes over any handle, shared ones too. The name of the set on the server is made
/// of its fields: two sets never get into each other's way, wherever they were made.
///
/// ```no_run
/// # async fn example(conn: typedis::Connection) -> typedis::Result<()> {
/// use typedis::FieldSet;
///
/// let fields = FieldSet::new(["name", "age"]);
/// fields.import(&conn, "user:1", ("Ann", 30)).await?;
/// fields.import(&conn, "user:2", ("Bob", 31)).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSet {
    name: String,
    fields: Vec<String>,
}

/// A handle that hashes are imported over.
pub trait ImportsHashes: sealed::Sealed {
    #[doc(hidden)]
    fn import_batch(&self) -> Batch<'_>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! handles {
    ($($handle:ty)*) => {$(
        impl sealed::Sealed for $handle {}
        impl ImportsHashes for $handle {
            fn import_batch(&self) -> Batch<'_> {
                self.batch()
            }
        }
    )*};
}

handles! { Connection Pool Exclusive }

impl FieldSet {
    /// A set of these fields, each of which has another name.
    pub fn new(fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let fields: Vec<String> = fields.into_iter().map(Into::into).collect();
        let lengths = fields
            .iter()
            .map(|field| format!("{}:{field}", field.len()));
        let name = lengths.collect::<Vec<_>>().join(",");
        Self {
            name: format!("typedis:{name}"),
            fields,
        }
    }

    /// Replaces what is at `key` by a hash of these fields with these values, one for each field, in order; an expiry is
    /// dropped.
    ///
    /// It takes one round trip, and another one where the server does not know the fields yet.
    ///
    /// # Errors
    /// Too few or too many values; a key of another type; a server that does not have HIMPORT.
    pub async fn import(
        &self,
        handle: &impl ImportsHashes,
        key: impl ToArg,
        values: impl ToArgs,
    ) -> Result<()> {
        let mut batch = handle.import_batch();
        let set = batch.push(self.set(&key, &values));
        match batch.execute().await?.take(set) {
            Err(error) if is_unprepared(&error) => {}
            outcome => return outcome,
        }
        // One write, so that nothing comes between the two on their socket.
        let mut batch = handle.import_batch();
        let prepare = batch.push(self.prepare());
        let set = batch.push(self.set(&key, &values));
        let mut replies = batch.execute().await?;
        replies.take(prepare)?;
        replies.take(set)
    }

    /// HIMPORT PREPARE, which gives the server the fields, for the start of a pipeline of [`FieldSet::set`]s.
    ///
    /// ```no_run
    /// # async fn example(conn: typedis::Connection) -> typedis::Result<()> {
    /// use typedis::FieldSet;
    ///
    /// let fields = FieldSet::new(["name", "age"]);
    /// let mut batch = conn.batch();
    /// let mut stored = vec![batch.push(fields.prepare())];
    /// for (id, name, age) in [(1, "Ann", 30), (2, "Bob", 31)] {
    ///     stored.push(batch.push(fields.set(format!("user:{id}"), (name, age))));
    /// }
    /// let mut replies = batch.execute().await?;
    /// for each in stored {
    ///     replies.take(each)?; // an error of one of them would go unnoticed otherwise
    /// }
    /// # Ok(()) }
    /// ```
    pub fn prepare(&self) -> Request<Detached, ()> {
        Request::new(Detached, &PREPARE, |args| {
            args.arg("fieldset-name", &self.name);
            args.list("field", &self.fields);
        })
    }

    /// HIMPORT SET, for a pipeline that begins with [`FieldSet::prepare`].
    pub fn set(&self, key: impl ToArg, values: impl ToArgs) -> Request<Detached, ()> {
        Request::new(Detached, &SET, |args| {
            args.key("key", &key);
            args.arg("fieldset-name", &self.name);
            args.list("value", &values);
        })
    }
}

/// Whether the server does not know the fields.
fn is_unprepared(error: &Error) -> bool {
    error
        .server()
        .is_some_and(|refusal| refusal.message() == "no such fieldset")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_which_fields_there_are() {
        let name = |fields: &[&str]| FieldSet::new(fields.iter().copied()).name;
        assert_eq!(name(&["a", "bc"]), "typedis:1:a,2:bc");
        assert_ne!(name(&["a,1:b"]), name(&["a", "b"]));
        assert_ne!(name(&["a", "b"]), name(&["b", "a"]));
    }
}
