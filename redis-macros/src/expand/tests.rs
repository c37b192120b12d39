#[test]
fn temp() {
    let Ok(path) = std::env::var("SPEC") else {
        return;
    };
    let source = std::fs::read_to_string(path).unwrap();
    match crate::commands::check(&source, "commands.toml") {
        Err(messages) => panic!("{}\n{}", messages.len(), messages.join("\n")),
        Ok((_, model)) => {
            let tokens = super::groups(&model);
            let file = syn::parse2(tokens).unwrap();
            std::fs::write("/tmp/expanded.rs", prettyplease::unparse(&file)).unwrap();
        }
    }
}
