//! A payload on its way over one link: sent, and sent again where that is safe.

use std::ops::Deref;
use std::task::{Context, Poll, ready};

use super::inflight::{Delivery, Parts, Payload};
use super::link::Link;
use super::sending::Sending;
use super::trace::Trace;
use crate::error::Error;

/// The state of a payload on its way; the payload itself is kept by whoever polls this.
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

    /// Has it fail with `error`, and nothing sent.
    pub(crate) fn refuse(&mut self, error: Error) {
        self.sending.refuse(error);
    }

    /// Queues it now, before the first poll; says whether it found room.
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
        match ready!(sending.poll(payload, cx)) {
            Delivery::Parts(mut parts) => {
                if !goes_again(sending, payload, &mut parts) {
                    return Poll::Ready(Delivery::Parts(parts));
                }
            }
            delivery if payload.waits_on(&delivery) => sending.start_again(),
            delivery => return Poll::Ready(delivery),
        }
    }
}

/// The policy of sending again on the same link: whether that is done instead of handing `parts` over.
#[cold]
fn goes_again<L: Deref<Target = Link>>(
    sending: &mut Sending<L>,
    payload: &mut impl Payload,
    parts: &mut Parts,
) -> bool {
    if parts.error.is_some() {
        return false;
    }
    if let Some(again) = parts.again.take() {
        return sending.send_later(again, parts.deadline);
    }
    let again = payload.mend(&sending.link().scripts, &parts.chunks);
    if again {
        sending.send_again(parts.deadline);
    }
    again
}
