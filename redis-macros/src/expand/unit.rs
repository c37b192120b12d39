//! One module: a trait, and what its methods return and refer to.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::Visibility;

use super::marker::marker;
use super::{Facade, builder, enums, ident, info, method, rules};
use crate::model::{Command, Enum, Group, Model, names};
use crate::places::Places;

pub(super) struct Unit<'a> {
    module: Ident,
    name: Ident,
    vis: Visibility,
    /// The subject of the trait, for its documentation.
    subject: String,
    groups: Vec<&'a Group>,
    /// Enums that belong to the module.
    enums: &'a [Enum],
    /// Whether it belongs to the facade: its examples are compiled, and other specs are checked against it.
    own: bool,
    facade: &'a Facade,
    places: &'a Places,
}

impl<'a> Unit<'a> {
    pub(super) fn of_group(group: &'a Group, facade: &'a Facade, places: &'a Places) -> Self {
        Self {
            module: ident(&group.name),
            name: ident(&format!("{}Commands", names::camel(&group.name))),
            vis: syn::parse_quote!(pub),
            subject: format!("the group `{}`", group.name),
            groups: vec![group],
            enums: &[],
            own: true,
            facade,
            places,
        }
    }

    pub(super) fn of_trait(
        model: &'a Model,
        facade: &'a Facade,
        places: &'a Places,
        vis: Visibility,
        name: Ident,
    ) -> Self {
        Self {
            module: ident(&module_of(&name.to_string())),
            subject: format!("`{name}`"),
            name,
            vis,
            groups: model.groups.iter().collect(),
            enums: &model.enums,
            own: false,
            facade,
            places,
        }
    }

    /// The trait's path from where the unit is.
    pub(super) fn path(&self) -> TokenStream {
        let Self { module, name, .. } = self;
        quote!(#module::#name)
    }

    pub(super) fn expand(&self) -> TokenStream {
        let Self {
            module,
            name,
            vis,
            subject,
            ..
        } = self;
        let doc = format!(
            " {}: the commands of {subject}, as a trait, and the builders of those that have options.",
            self.contents()
        );
        let facade = self.facade.within_module();
        let known = (!self.own).then(|| syn::parse_quote!(#facade::commands::KNOWN));
        let infos = self
            .commands()
            .map(|command| info::expand(command, known.as_ref()));
        let builders = self
            .commands()
            .filter(|command| command.has_options())
            .map(|command| builder::expand(command, self.places.of(command)));
        let rt = quote!(rt);
        let enums = self.enums.iter().map(|ty| enums::expand(ty, &rt));
        let markers = self.markers();
        let rules = rules::expand(self.commands());
        let definition = self.definition();
        quote! {
            #[doc = #doc]
            #[allow(unused_imports, unreachable_pub)]
            #vis mod #module {
                use super::*;
                use #facade::__core as rt;

                #definition
                #(#enums)*
                #(#builders)*
                #markers
                #rules
                #(#infos)*
            }
            #vis use #module::#name;
        }
    }

    fn commands(&self) -> impl Iterator<Item = &'a Command> {
        self.groups.iter().flat_map(|group| &group.commands)
    }

    /// Names its first commands, and how many more there are.
    fn contents(&self) -> String {
        let mut names: Vec<String> = Vec::new();
        for command in self.commands() {
            let name = format!("`{}`", command.syntax.name.join(" "));
            if !names.contains(&name) {
                names.push(name);
            }
        }
        match names.split_at_checked(SHOWN) {
            Some((shown, more)) if more.len() > 1 => {
                format!("{} and {} more", shown.join(", "), more.len())
            }
            _ => names.join(", "),
        }
    }

    fn definition(&self) -> TokenStream {
        let Self {
            name,
            subject,
            own,
            places,
            ..
        } = self;
        let doc = format!(" The commands of {subject}, on everything that takes commands.");
        let methods = self
            .commands()
            .map(|command| method::expand(command, *own, places.of(command)));
        quote! {
            #[doc = #doc]
            pub trait #name: rt::Target {
                #(#methods)*
            }
            impl<Q: rt::Target> #name for Q {}
        }
    }

    /// The markers of options that something depends on.
    fn markers(&self) -> TokenStream {
        let mut names: Vec<String> = self.commands().flat_map(markers_of).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return TokenStream::new();
        }
        let markers = names.iter().map(|name| {
            let doc = format!(" `{}` has been chosen.", name);
            let name = ident(name);
            quote! {
                #[doc = #doc]
                pub enum #name {}
                impl rt::state::Made for #name {}
            }
        });
        quote! {
            #[doc = " Says which option of a builder has been chosen, if something depends on it."]
            pub mod chosen {
                use super::rt;
                #(#markers)*
            }
        }
    }
}

fn markers_of(command: &Command) -> Vec<String> {
    let choices = command
        .slots
        .iter()
        .filter_map(|slot| command.choices.get(slot.choice));
    let ids = choices.flat_map(|choice| &choice.options);
    ids.filter_map(|id| marker(command, *id)).collect()
}

/// How many commands the first line of a group's documentation names.
const SHOWN: usize = 3;

/// `ShopCommands` is in the module `shop`.
fn module_of(name: &str) -> String {
    let stem = name
        .strip_suffix("Commands")
        .filter(|stem| !stem.is_empty())
        .unwrap_or(name);
    names::param(&names::snake_of_type(stem))
}
