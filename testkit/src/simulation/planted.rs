//! Which rules a planted fault breaks: [`rules_of`]. A world that breaks another one only has not shown the fault.

use typedis_core::planted::Planted;

/// A call that waits for ever is ended by its deadline, or not even by that.
const WAITS: &[&str] = &[
    "nothing waits past its deadline",
    "where nothing breaks, nothing fails",
];

/// What a cache may not do, each in its own moment.
const CACHE: &[&str] = &[
    "a cache shows nothing older than it may",
    "a cache is right at rest",
    "a cache hears of changes",
];

/// The rules that say what a fault does wrong.
pub(super) fn rules_of(fault: Planted) -> &'static [&'static str] {
    match fault {
        Planted::ShiftedReply | Planted::SplitOrder | Planted::MistakenPing => {
            &["replies belong to their callers"]
        }
        // The last command gets no reply.
        Planted::SplitExec => &["no error that has no cause in the world"],
        Planted::UnsafeRetry | Planted::RepeatedElsewhere => {
            &["a command is carried out at most once"]
        }
        Planted::LostWakeup | Planted::IgnoredDeadline | Planted::SilentLoss => WAITS,
        Planted::KeptLease => &["every lease comes back"],
        Planted::FalseNotSent | Planted::ForgottenLoss => &["NotSent means not sent"],
        Planted::ForgottenSubscription | Planted::StrayedSubscription => &[
            "subscriptions end as the wanted set",
            "messages come to their subscribers",
        ],
        Planted::KeptBudget => &["the budget is given back"],
        Planted::Reordered => &["commands of a task keep their order"],
        Planted::HiddenGap | Planted::LostFirst | Planted::GapOfMany => {
            &["no message is missing without a word, none comes twice"]
        }
        // NOSCRIPT, and redirects without an end.
        Planted::StaleScripts | Planted::MissingAsking => {
            &["no error that has no cause in the world"]
        }
        Planted::KeptSocket => &["no socket is left"],
        Planted::ForgottenMove => &["the map is right when nothing changes"],
        Planted::LateReport
        | Planted::KeptAfterLoss
        | Planted::OwnWriteKept
        | Planted::KeptAfterMove => CACHE,
        Planted::TrustedSentinel => &["commands go to a node that was the primary"],
        Planted::StayedAtDemoted => &["nobody stays at a demoted node"],
        Planted::EarlyDeadline => &["nothing times out before its deadline"],
        Planted::ClosedByLoss => &["what nobody closed stays open"],
        Planted::IgnoredBudget => &["the budget holds"],
        Planted::UnsentPart => &["NotSent means not sent"],
        Planted::RefusedByLoss => &["what was refused was not carried out"],
        Planted::FalseMaybeApplied => &["MaybeApplied means sent"],
        Planted::NeverRepeats => &["what may be repeated is repeated"],
        _ => &[],
    }
}
