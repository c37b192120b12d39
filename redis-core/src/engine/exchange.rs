//! One payload on one link, until its reply. It is sent again where that is safe.

use std::ops::Deref;
use std::task::{Context, Poll, ready};

use super::inflight::{Delivery, Failure, Parts, Payload};
use super::link::Link;
use super::sending::Sending;
use super::trace::Trace;
use crate::error::{Error, Phase};

/// The state of a payload that is being sent and answered. The payload itself is kept by the code
/// that polls this.
#[derive(Debug)]
pub(crate) struct Exchange<L: Deref<Target = Link>> {
    sending: Sending<L>,
    trace: Trace,
}

impl<L: Deref<Target = Link>> Exchange<L> {
    #[inline]
    pub(crate) fn new(link: L, payload: &impl Payload) -> Self {
        Self {
            trace: Trace::start(&link.config, payload),
            sending: Sending::new(link),
        }
    }

    /// The socket that it goes over.
    pub(crate) fn link(&self) -> &Link {
        self.sending.link()
    }

    /// Makes it fail with `error`; nothing is sent.
    pub(crate) fn refuse(&mut self, error: Error) {
        self.sending.refuse(error);
    }

    /// Queues it now, before the first poll. Returns whether there was room.
    pub(crate) fn submit(&mut self, payload: &mut impl Payload) -> bool {
        self.sending.submit(payload)
    }

    #[inline]
    pub(crate) fn poll(
        &mut self,
        payload: &mut impl Payload,
        cx: &mut Context<'_>,
    ) -> Poll<Delivery> {
        let Self { sending, trace } = self;
        let delivery = trace.within(|| advance(sending, payload, cx));
        if let Poll::Ready(delivery) = &delivery {
            trace.end(delivery);
        }
        delivery
    }
}

#[inline]
fn advance<L: Deref<Target = Link>>(
    sending: &mut Sending<L>,
    payload: &mut impl Payload,
    cx: &mut Context<'_>,
) -> Poll<Delivery> {
    loop {
        let delivery = ready!(sending.poll(payload, cx));
        if let Delivery::Reply(_) = delivery
            && !payload.may_go_on()
        {
            return Poll::Ready(delivery);
        }
        if let Some(delivery) = conclude(sending, payload, delivery) {
            return Poll::Ready(delivery);
        }
    }
}

/// The delivery, unless the payload is sent again.
#[cold]
#[inline(never)]
fn conclude<L: Deref<Target = Link>>(
    sending: &mut Sending<L>,
    payload: &mut impl Payload,
    delivery: Delivery,
) -> Option<Delivery> {
    match delivery {
        Delivery::Parts(mut parts) => {
            (!goes_again(sending, payload, &mut parts)).then_some(Delivery::Parts(parts))
        }
        delivery if payload.waits_on(&delivery) => {
            sending.start_again();
            None
        }
        delivery => Some(delivery),
    }
}

/// The rule for sending again on the same link. Returns whether that is done; otherwise `parts` are returned to
/// the caller.
fn goes_again<L: Deref<Target = Link>>(
    sending: &mut Sending<L>,
    payload: &mut impl Payload,
    parts: &mut Parts,
) -> bool {
    if let Some(failure) = &mut parts.error {
        let unsent = matches!(failure, Failure::Lost(Phase::NotSent, ..));
        let link = sending.link();
        if unsent && !link.has_ended() && payload.rebind(&link.scripts) {
            sending.send_again(parts.deadline);
            return true;
        }
        sending.add_refusal(failure);
        return false;
    }
    if let Some(again) = parts.again.take() {
        sending.note_refusal(&parts.chunks);
        return sending.send_later(again, parts.deadline);
    }
    let again = payload.mend(&sending.link().scripts, &parts.chunks);
    if again {
        sending.send_again(parts.deadline);
    }
    again
}
