#![allow(clippy::unwrap_used, clippy::panic)]

const COMMANDS: &str = include_str!("../../../commands.toml");

#[test]
fn the_librarys_own_file_is_expanded_into_a_trait_and_a_module_for_each_group() {
    let (_, model) = match crate::commands::check(COMMANDS, "commands.toml") {
        Ok(checked) => checked,
        Err(messages) => panic!("{}", messages.join("\n")),
    };
    let file: syn::File = syn::parse2(super::groups(&model)).unwrap();
    let holds_one_trait = |module: &&syn::ItemMod| {
        let items = module.content.iter().flat_map(|(_, items)| items);
        items
            .filter(|item| matches!(item, syn::Item::Trait(_)))
            .count()
            == 1
    };
    let modules = file.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) => Some(module),
        _ => None,
    });
    let found: Vec<String> = modules
        .filter(holds_one_trait)
        .map(|module| module.ident.to_string())
        .collect();
    let groups: Vec<&str> = model
        .groups
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    assert_eq!(found, groups);
}
