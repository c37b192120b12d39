//! The expansions and the errors, as snapshots.

#![allow(clippy::unwrap_used)]

use proc_macro2::TokenStream;
use quote::quote;

/// The input and its expansion by both derives.
fn expansion(input: TokenStream) -> String {
    let file = |tokens| prettyplease::unparse(&syn::parse2(tokens).unwrap());
    let (from, to) = (
        super::from_redis(input.clone()),
        super::to_redis(input.clone()),
    );
    format!(
        "{}\n// FromRedis\n{}\n// ToRedis\n{}",
        file(input),
        file(from),
        file(to)
    )
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
}

/// The texts of all errors of an item.
fn errors(input: TokenStream) -> Vec<String> {
    let input: syn::DeriveInput = syn::parse2(input).unwrap();
    match super::ast::Item::parse(&input) {
        Ok(_) => Vec::new(),
        Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
    }
}

#[test]
fn struct_with_every_attribute() {
    snapshot(
        "struct_with_every_attribute",
        &expansion(quote! {
            #[redis(rename_all = "camelCase")]
            struct User {
                full_name: String,
                #[redis(rename = "mail")]
                email: Option<String>,
                #[redis(default)]
                logins: u64,
                #[redis(default = "defaults::level", json)]
                level: Level,
                #[redis(json)]
                roles: Option<Vec<String>>,
                #[redis(with = "flag")]
                active: bool,
                #[redis(flatten)]
                address: Address,
                #[redis(skip)]
                cached: bool,
            }
        }),
    );
}

#[test]
fn generic_struct() {
    snapshot(
        "generic_struct",
        &expansion(quote! {
            struct Entry<'a, T, J, S: Clone = ()> where T: Copy {
                value: T,
                #[redis(json)]
                list: Vec<J>,
                #[redis(skip)]
                mark: PhantomData<&'a S>,
            }
        }),
    );
}

#[test]
fn struct_from_an_array() {
    snapshot(
        "struct_from_an_array",
        &expansion(quote! {
            #[redis(array)]
            struct Visit<T> {
                page: T,
                #[redis(with = "millis")]
                duration: Duration,
                #[redis(default)]
                count: u64,
                #[redis(skip)]
                cached: bool,
                referrer: Option<String>,
            }
        }),
    );
}

#[test]
fn tuple_struct() {
    snapshot(
        "tuple_struct",
        &expansion(quote!(
            struct Point(f64, f64);
        )),
    );
}

#[test]
fn newtype() {
    snapshot(
        "newtype",
        &expansion(quote!(
            struct Id<T>(T);
        )),
    );
}

#[test]
fn enum_of_words() {
    snapshot(
        "enum_of_words",
        &expansion(quote! {
            #[redis(rename_all = "kebab-case")]
            enum Colour { DarkRed, #[redis(rename = "rgb(0,0,0)")] Black, r#Type }
        }),
    );
}

#[test]
fn the_facade_is_where_the_attribute_says() {
    let input = || {
        quote! {
            #[redis(rename_all = "lowercase", crate = "self::deps::kv")]
            struct User {
                name: String,
                #[redis(json)]
                roles: Vec<String>,
                #[redis(flatten)]
                address: Option<Address>,
            }
        }
    };
    for expansion in [super::from_redis(input()), super::to_redis(input())] {
        let text = expansion.to_string();
        assert!(
            text.contains("use self :: deps :: kv :: __core as"),
            "{text}"
        );
        assert!(!text.contains("typedis"), "{text}");
    }
    let faulty = errors(quote! {
        struct User {
            #[redis(crate = "kv")]
            name: String,
        }
    });
    assert_eq!(faulty, ["`crate` belongs to the type"]);
}

#[test]
fn all_errors_are_reported_at_once() {
    snapshot(
        "all_errors_are_reported_at_once",
        &errors(quote! {
            #[redis(rename = "x", rename_all = "camel_case", renameall = "x")]
            struct User {
                #[redis(ren_ame = "x", default, default)]
                a: u8,
                #[redis(rename = "a", nonsense(1, 2), rename_all = "lowercase")]
                b: u8,
                #[redis(rename = 5)]
                c: u8,
                #[redis(skip, json, rename = "x")]
                d: u8,
                #[redis(flatten, default, with = "x")]
                e: u8,
                #[redis(json, with = "x")]
                f: u8,
                #[redis(rename = "f")]
                g: u8,
            }
        })
        .join("\n"),
    );
}

#[test]
fn what_has_no_form_on_the_server_is_refused() {
    let cases = [
        quote!(
            struct Nothing;
        ),
        quote!(
            struct Nothing {}
        ),
        quote!(
            struct Nothing();
        ),
        quote!(
            enum Never {}
        ),
        quote!(union Both { a: u8, b: u8 }),
        quote!(
            enum Shape {
                Round,
                Square(u8),
                Wide { width: u8 },
            }
        ),
        quote!(
            enum Twice {
                #[redis(rename = "A")]
                B,
                A,
            }
        ),
        quote!(
            enum Colour {
                #[redis(skip)]
                Red,
                #[redis(rename_all = "lowercase")]
                Blue,
            }
        ),
        quote!(
            struct Pair(#[redis(rename = "a")] u8, u8);
        ),
        quote!(
            #[redis(rename_all = "lowercase")]
            struct Pair(u8, u8);
        ),
        quote!(
            #[redis(array)]
            struct Pair(u8, u8);
        ),
        quote!(
            #[redis(array)]
            struct Id(u8);
        ),
        quote!(
            #[redis(array)]
            enum Colour {
                #[redis(array)]
                Red,
            }
        ),
        quote!(
            #[redis(array, rename_all = "lowercase")]
            struct Visit {
                #[redis(rename = "url")]
                page: String,
                #[redis(flatten)]
                place: Place,
                #[redis(array)]
                list: Vec<u8>,
            }
        ),
        quote!(
            struct Wide(u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);
        ),
    ];
    let texts: Vec<String> = cases
        .into_iter()
        .map(|case| format!("{case}\n    {}", errors(case.clone()).join("\n    ")))
        .collect();
    snapshot(
        "what_has_no_form_on_the_server_is_refused",
        &texts.join("\n"),
    );
}
