//! Faults that are planted to prove that the simulation finds such faults: `cargo xtask simulate` and its tests plant
//! one at a time.
//!
//! Without the feature `planted`, which nothing but the simulation turns on, none of this is compiled in: the check for a
//! fault is the constant `false`.

/// A fault that a client like this may have, and that others have had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Planted {
    /// The reply to a command whose caller has gone is given to the next one.
    ShiftedReply,
    /// A command that may not be repeated is sent again after a loss.
    UnsafeRetry,
    /// A caller who waits for room is not woken when there is some.
    LostWakeup,
    /// The permit of a leased socket that is closed is not given back.
    KeptLease,
    /// What was sent is reported as not sent.
    FalseNotSent,
    /// The last subscription is not restored after a loss.
    ForgottenSubscription,
    /// What was given up before it was sent still counts.
    KeptBudget,
    /// The elements of EXEC's reply are given to the wrong commands.
    SplitExec,
    /// The deadline of what was sent is not checked.
    IgnoredDeadline,
    /// Callers of lost commands are not told.
    SilentLoss,
    /// What was not sent on a lost socket is sent after what came later.
    Reordered,
    /// A reader is not told that messages are missing.
    HiddenGap,
    /// Scripts count as loaded on a server that is another one.
    StaleScripts,
    /// A socket for subscriptions is kept when there are none.
    KeptSocket,
    /// A PING that is refused after the end of a subscription is taken for one that is still to be answered.
    MistakenPing,
    /// A command that was lost and then not sent again in time is reported as not sent.
    ForgottenLoss,
    /// A command follows ASK without ASKING.
    MissingAsking,
    /// MOVED does not correct the map.
    ForgottenMove,
    /// A command of a pipeline that may not be repeated is sent again when its node is lost.
    RepeatedElsewhere,
    /// The replies to the parts of a command are joined in the order of their slots.
    SplitOrder,
    /// A shard channel stays where it is when its slot moves.
    StrayedSubscription,
    /// A report of a change is heeded when the next one comes.
    LateReport,
    /// What was read over a lost socket is kept.
    KeptAfterLoss,
    /// What was written through a cache is kept in it until the server reports the change.
    OwnWriteKept,
    /// That a key does not exist is kept when its slot moves.
    KeptAfterMove,
    /// The node that a Sentinel names is not asked for its role.
    TrustedSentinel,
    /// Sockets stay at a node that a Sentinel says is no longer the primary.
    StayedAtDemoted,
    /// What has a little time left is given up.
    EarlyDeadline,
    /// The loss of a socket closes its handle.
    ClosedByLoss,
    /// There is always room.
    IgnoredBudget,
    /// The first message after a confirmation is dropped.
    LostFirst,
    /// The reader of many channels is not told that messages are missing.
    GapOfMany,
    /// A command of which a part may have been carried out is reported as not sent.
    UnsentPart,
    /// A transaction that was lost is reported as refused.
    RefusedByLoss,
    /// What was not sent is reported as maybe applied.
    FalseMaybeApplied,
    /// What may be repeated is not.
    NeverRepeats,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 36] = [
        Self::ShiftedReply,
        Self::UnsafeRetry,
        Self::LostWakeup,
        Self::KeptLease,
        Self::FalseNotSent,
        Self::ForgottenSubscription,
        Self::KeptBudget,
        Self::SplitExec,
        Self::IgnoredDeadline,
        Self::SilentLoss,
        Self::Reordered,
        Self::HiddenGap,
        Self::StaleScripts,
        Self::KeptSocket,
        Self::MistakenPing,
        Self::ForgottenLoss,
        Self::MissingAsking,
        Self::ForgottenMove,
        Self::RepeatedElsewhere,
        Self::SplitOrder,
        Self::StrayedSubscription,
        Self::LateReport,
        Self::KeptAfterLoss,
        Self::OwnWriteKept,
        Self::KeptAfterMove,
        Self::TrustedSentinel,
        Self::StayedAtDemoted,
        Self::EarlyDeadline,
        Self::ClosedByLoss,
        Self::IgnoredBudget,
        Self::LostFirst,
        Self::GapOfMany,
        Self::UnsentPart,
        Self::RefusedByLoss,
        Self::FalseMaybeApplied,
        Self::NeverRepeats,
    ];

    /// Whether this fault is planted on this thread.
    #[cfg(feature = "planted")]
    pub(crate) fn is_here(self) -> bool {
        CHOSEN.get() == Some(self)
    }

    /// Whether this fault is planted: never in a normal build.
    #[cfg(not(feature = "planted"))]
    pub(crate) const fn is_here(self) -> bool {
        false
    }
}

#[cfg(feature = "planted")]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault on this thread, or removes it.
#[cfg(feature = "planted")]
pub fn plant(fault: Option<Planted>) {
    CHOSEN.set(fault);
}
