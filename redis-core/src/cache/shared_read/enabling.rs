//! How a read makes the server report changes of its keys: [`Reported`].

use std::sync::Arc;

use crate::cache::settings::Enabling;
use crate::cache::source::Source;
use crate::cache::standing::{Present, Tracking};

/// How a read makes the server report changes of its keys.
pub(super) struct Reported {
    /// What turns tracking on, if it may be off.
    pub(super) enabling: Option<Enabling>,
    /// Whether CLIENT CACHING YES goes before it.
    pub(super) opts_in: bool,
    /// Whether its reply may be kept: its keys are reported from then on.
    pub(super) may_keep: bool,
    /// Whether it has taken it upon itself to turn tracking on.
    pub(super) begins: bool,
    /// Whether reports come on another socket.
    pub(super) is_redirected: bool,
}

impl Reported {
    /// How a read does that over this socket now.
    pub(super) fn by(source: &Arc<Source>, present: Present) -> Self {
        let settings = &source.shared.settings;
        let is_on = present.tracking == Tracking::On;
        let is_redirected = source.needs_reporter();
        let reporter = is_redirected
            .then(|| source.reporter(present.epoch))
            .flatten();
        if is_redirected && (reporter.is_none() || !source.was_heard()) {
            source.ask_for_reporter();
        }
        let can_report = !is_redirected || reporter.is_some();
        let may_enable = present.tracking == Tracking::Off && can_report;
        let begins =
            may_enable && !settings.may_enable_again() && source.standing.begin(present.epoch);
        let enables = begins || (may_enable && settings.may_enable_again());
        Self {
            enabling: enables.then(|| settings.enabling(reporter)),
            opts_in: settings.opts_in() && (is_on || enables),
            may_keep: is_on || enables,
            begins,
            is_redirected,
        }
    }
}
