//! The handle with a prefix on which streams issue their commands.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::bound::Client;
use super::host::{Call, Host, IntoHost, Issue, Walk};
use super::prefixed::Prefixed;
use crate::codec::prefixed::ReplyNames;
use crate::command::Args;
use crate::command::prefix::Prefix;
use crate::error::Result;
use crate::handle::Connection;
use crate::reply::Frame;

/// A host whose commands get a prefix.
#[derive(Debug)]
struct PrefixedHost<'h> {
    host: Host<'h>,
    prefix: Arc<Prefix>,
}

impl<'h, 'p, C: Client> IntoHost<'h> for &'p Prefixed<C>
where
    &'p C: IntoHost<'h>,
{
    fn into_host(self) -> Host<'h> {
        Host::new(Arc::new(PrefixedHost {
            host: self.inner().into_host(),
            prefix: self.own().clone(),
        }))
    }
}

impl Issue for PrefixedHost<'_> {
    fn issue(&self, mut args: Box<Args>) -> Call<'_> {
        let names = ReplyNames::of(&args, &self.prefix);
        args.put_prefix(&self.prefix);
        let refused = args.take_error();
        Box::pin(async move {
            if let Some(error) = refused {
                return Err(error);
            }
            let outcome = self.host.issue(args).await;
            match names {
                Some(names) => names.leave(outcome, &self.prefix),
                None => outcome,
            }
        })
    }

    fn cast(&self, mut args: Box<Args>) {
        args.put_prefix(&self.prefix);
        self.host.cast(*args);
    }

    fn walk(&self, first: &Args) -> Option<Box<dyn Walk>> {
        let mut first = first.again();
        let names = ReplyNames::of(&first, &self.prefix);
        first.put_prefix(&self.prefix);
        if first.is_spoilt() {
            // It fails with the reason when it is issued.
            return None;
        }
        let walk = self.host.walk(&first)?;
        Some(Box::new(PrefixedWalk {
            walk,
            names,
            prefix: self.prefix.clone(),
            is_foreign: false,
        }))
    }

    fn one_server(&self) -> Option<Host<'static>> {
        let host = self.host.one_server()?;
        Some(Host::new(Arc::new(PrefixedHost {
            host,
            prefix: self.prefix.clone(),
        })))
    }

    fn connection(&self) -> Option<Connection> {
        self.host.connection()
    }
}

/// The pages of a scan with a prefix.
struct PrefixedWalk {
    walk: Box<dyn Walk>,
    /// The names in the pages, if there are any: fields and members are none.
    names: Option<ReplyNames>,
    prefix: Arc<Prefix>,
    /// Whether the last page had a name without the prefix, so that nothing of it was given.
    is_foreign: bool,
}

impl Walk for PrefixedWalk {
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame>>> {
        let page = ready!(self.walk.poll_page(cx));
        let (Some(names), Some(Ok(page))) = (&self.names, &page) else {
            return Poll::Ready(page);
        };
        let shorter = names.leave_page(page.clone(), &self.prefix);
        self.is_foreign = shorter.is_err();
        Poll::Ready(Some(shorter))
    }

    fn cursor(&self, again: bool) -> Option<String> {
        self.walk.cursor(again || self.is_foreign)
    }
}
