//! Names in a command that are not among its keys, as the core takes them.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use crate::model::{Channels, Naming, PatternPlace, Step};

/// The expression for them, which a constant can be.
pub(super) fn expression(naming: &Naming) -> TokenStream {
    let unnamed = naming.unnamed.then(|| quote!(.unnamed()));
    let keyless = naming.keyless.then(|| quote!(.keyless()));
    let slot = naming.slot_first.then(|| quote!(.slot()));
    let pattern = naming.pattern.as_ref().map(|place| match place {
        PatternPlace::First => quote!(.pattern(rt::PatternPlace::First)),
        PatternPlace::After(option) => quote!(.pattern(rt::PatternPlace::After(#option))),
    });
    let templates = (!naming.templates.is_empty()).then(|| {
        let options = &naming.templates;
        quote!(.templates(&[#(#options),*]))
    });
    let channels = naming.channels.map(|channels| match channels {
        Channels::First => quote!(.channel()),
        Channels::All => quote!(.channels()),
        Channels::Pattern => quote!(.channel_pattern(rt::PatternPlace::First)),
    });
    let in_reply = (!naming.in_reply.is_empty()).then(|| {
        let paths = naming.in_reply.iter().map(|path| {
            let steps = path.iter().map(step);
            quote!(&[#(#steps),*])
        });
        quote!(.in_reply(&[#(#paths),*]))
    });
    quote!(rt::Naming::NONE #unnamed #keyless #slot #pattern #templates #channels #in_reply)
}

fn step(step: &Step) -> TokenStream {
    match step {
        Step::Nth(number) => {
            let number = Literal::u64_unsuffixed(*number);
            quote!(rt::Step::Nth(#number))
        }
        Step::Each => quote!(rt::Step::Each),
        Step::Heads => quote!(rt::Step::Heads),
        Step::Alternate => quote!(rt::Step::Alternate),
        Step::Field(field) => quote!(rt::Step::Field(#field)),
    }
}
