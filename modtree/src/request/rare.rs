//! Requests with a fixed string that are made in rare set-ups only: data, which a person has judged.
//!
//! That code asks for a module says nothing about how often that code runs. `data/requests/rare.toml` names the cases where
//! it hardly ever does and what is asked for is large, each with its reason.

use std::sync::OnceLock;

use crate::ModuleName;

const RARE: &str = include_str!("../../../data/requests/rare.toml");

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    rare: Vec<Rare>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Rare {
    module: String,
    asks: String,
}

/// Whether a module asks for something in rare set-ups only, although by a fixed string. A closure lists such a request and
/// adds nothing for it.
pub fn is_rare_request(by: &ModuleName, asked: &str) -> bool {
    let mut table = table().iter();
    table.any(|rare| rare.module == by.as_str() && rare.asks == asked)
}

fn table() -> &'static [Rare] {
    static PARSED: OnceLock<Vec<Rare>> = OnceLock::new();
    // A test parses them.
    PARSED.get_or_init(|| toml::from_str::<Table>(RARE).map_or(Vec::new(), |table| table.rare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed_and_modules_have_their_names() {
        let table = toml::from_str::<Table>(RARE).unwrap().rare;
        for rare in &table {
            assert_eq!(ModuleName::new(&rare.module).as_str(), rare.module);
        }
        assert!(is_rare_request(&"md_mod".into(), "md-cluster"));
        assert!(!is_rare_request(&"raid1".into(), "md-cluster"));
    }
}
