//! Spans of commands and events of connections, for `tracing`.
//!
//! Names follow OpenTelemetry's conventions for databases. Only the name of a command and the number of its arguments
//! are shown, because keys and values may be secrets. The target of all of it is `typedis`.
//! Without the feature `tracing` nothing of this exists.

#[cfg(feature = "tracing")]
pub(crate) use on::{Trace, announce, in_current_span};

#[cfg(not(feature = "tracing"))]
pub(crate) use off::{Trace, announce, in_current_span};

#[cfg(not(feature = "tracing"))]
mod off {
    use std::future::Future;

    use crate::config::Config;
    use crate::engine::events::ConnectionEvent;
    use crate::engine::inflight::{Delivery, Payload};
    use crate::error::Error;

    /// Does nothing.
    #[derive(Debug, Default)]
    pub(crate) struct Trace;

    impl Trace {
        pub(crate) fn start(_: &Config, _: &impl Payload) -> Self {
            Self
        }

        pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
            work()
        }

        pub(crate) fn at(&self, _: &Config) {}

        pub(crate) fn end(&self, _: &impl Payload, _: &Delivery) {}

        pub(crate) fn is_listened_to(&self) -> bool {
            false
        }

        pub(crate) fn fail(&self, _: &Error) {}
    }

    pub(crate) fn announce(_: &Config, _: &ConnectionEvent, _: u64) {}

    pub(crate) fn in_current_span<F: Future>(work: F) -> F {
        work
    }

    #[test]
    fn what_is_off_takes_no_room() {
        assert_eq!(size_of::<Trace>(), 0);
    }
}

#[cfg(feature = "tracing")]
mod on {
    use std::future::Future;
    use std::slice;

    use tracing::instrument::{Instrument, Instrumented};
    use tracing::{Level, Span, debug, field, info, span, warn};

    use crate::config::{Address, Config};
    use crate::engine::events::ConnectionEvent;
    use crate::engine::inflight::{Delivery, Payload, Summary};
    use crate::error::{Error, ErrorKind};
    use crate::wire::Chunk;

    /// What all spans and events are filtered by, whatever module they come from: `typedis=info`.
    const TARGET: &str = "typedis";

    /// The span of one command or batch, from its first poll to its reply.
    #[derive(Debug)]
    pub(crate) struct Trace(Span);

    impl Default for Trace {
        fn default() -> Self {
            Self(Span::none())
        }
    }

    impl Trace {
        pub(crate) fn start(config: &Config, payload: &impl Payload) -> Self {
            let span = span!(
                target: TARGET,
                Level::DEBUG,
                "redis.command",
                otel.kind = "client",
                otel.name = field::Empty,
                db.system.name = "redis",
                db.namespace = config.database,
                db.operation.name = field::Empty,
                db.operation.batch.size = field::Empty,
                db.query.text = field::Empty,
                db.response.status_code = field::Empty,
                error.type = field::Empty,
                server.address = field::Empty,
                server.port = field::Empty,
                otel.status_code = field::Empty,
            );
            if !span.is_disabled() {
                describe(&span, config, &payload.summary());
            }
            Self(span)
        }

        pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
            self.0.in_scope(work)
        }

        /// Records which server answers.
        pub(crate) fn at(&self, config: &Config) {
            if !self.0.is_disabled() {
                locate(&self.0, config);
            }
        }

        /// Whether anybody wants to know what becomes of it.
        #[inline]
        pub(crate) fn is_listened_to(&self) -> bool {
            !self.0.is_disabled()
        }

        /// Records how it ended.
        #[inline]
        pub(crate) fn end(&self, payload: &impl Payload, delivery: &Delivery) {
            if self.is_listened_to() {
                self.note_end(payload, delivery);
            }
        }

        #[cold]
        fn note_end(&self, payload: &impl Payload, delivery: &Delivery) {
            match delivery {
                Delivery::Reply(reply) => self.note_replies(payload, slice::from_ref(reply)),
                Delivery::Refused(error) => self.fail(error),
                Delivery::Parts(parts) => match &parts.error {
                    Some(failure) => self.fail(&failure.clone().into()),
                    None => self.note_replies(payload, &parts.chunks),
                },
            }
        }

        fn note_replies(&self, payload: &impl Payload, replies: &[Chunk]) {
            if let Some(refusal) = payload.first_error(replies) {
                self.fail(&Error::refused(refusal));
            }
        }

        /// Records that it failed. Of an error that the server replied with, only the code is shown: the message may quote keys and values.
        #[cold]
        pub(crate) fn fail(&self, error: &Error) {
            self.0.record("otel.status_code", "ERROR");
            let ErrorKind::Server(refusal) = error.kind() else {
                self.0.record("error.type", kind(error));
                return;
            };
            let code = match refusal.code() {
                "" => "ERR",
                code => code,
            };
            self.0.record("error.type", code);
            self.0.record("db.response.status_code", code);
        }
    }

    /// Has a call in a task of its own belong to the span that its caller is in.
    pub(crate) fn in_current_span<F: Future>(work: F) -> Instrumented<F> {
        work.in_current_span()
    }

    fn describe(span: &Span, config: &Config, summary: &Summary) {
        span.record("otel.name", &*summary.operation);
        span.record("db.operation.name", &*summary.operation);
        span.record("db.query.text", summary.text.as_str());
        if let Some(count) = summary.batch {
            span.record("db.operation.batch.size", count);
        }
        locate(span, config);
    }

    fn locate(span: &Span, config: &Config) {
        match config.address() {
            Address::Tcp(host, port) => {
                span.record("server.address", host.as_str());
                span.record("server.port", *port);
            }
            Address::Unix(path) => {
                span.record("server.address", field::display(path.display()));
            }
        }
    }

    fn kind(error: &Error) -> &'static str {
        match error.kind() {
            ErrorKind::Argument(_) => "argument",
            ErrorKind::Usage(_) => "usage",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Connect(_) => "connect",
            ErrorKind::ConnectionLost(_) => "connection_lost",
            ErrorKind::Handshake(_) => "handshake",
            ErrorKind::Credentials(_) => "credentials",
            ErrorKind::Tls(_) => "tls",
            ErrorKind::Sentinel(_) => "sentinel",
            ErrorKind::Cluster(_) => "cluster",
            ErrorKind::Protocol(_) => "protocol",
            ErrorKind::Closed => "closed",
            ErrorKind::RuntimeEnded => "runtime_ended",
            _ => "other",
        }
    }

    /// Tells of an event. While a server is down every attempt fails: the first failure, the second, the fourth and so on are
    /// warnings, those between them are for debugging.
    pub(crate) fn announce(config: &Config, event: &ConnectionEvent, failures: u64) {
        let server = config.address();
        match event {
            ConnectionEvent::Failed(_) if !failures.is_power_of_two() => {
                debug!(target: TARGET, { db.system.name = "redis", server.address = %server }, "{event}");
            }
            ConnectionEvent::Failed(_) if failures > 1 => {
                warn!(
                    target: TARGET,
                    { db.system.name = "redis", server.address = %server },
                    "{event} (failure {failures} in a row)"
                );
            }
            ConnectionEvent::Connected(_)
            | ConnectionEvent::Reconnecting { .. }
            | ConnectionEvent::Dormant
            | ConnectionEvent::Closed
            | ConnectionEvent::Reauthenticated => {
                debug!(target: TARGET, { db.system.name = "redis", server.address = %server }, "{event}");
            }
            ConnectionEvent::Ready(_) | ConnectionEvent::Maintenance(_) => {
                info!(target: TARGET, { db.system.name = "redis", server.address = %server }, "{event}");
            }
            ConnectionEvent::Lost(_)
            | ConnectionEvent::Failed(_)
            | ConnectionEvent::ReauthenticationFailed(_)
            | ConnectionEvent::Lagged(_) => {
                warn!(target: TARGET, { db.system.name = "redis", server.address = %server }, "{event}");
            }
        }
    }
}
