//! What holds for any bytes: shared by the fuzz targets and the ordinary tests which replay their corpora.

use modtree::{Index, ModInfo, Module, call_sites};

/// A module: parsing ends, in an error or in fields that can all be read.
pub fn elf(bytes: &[u8]) {
    let Ok(module) = Module::parse(bytes) else {
        return;
    };
    modinfo(module.info.as_bytes());
    assert!(module.imports.iter().all(|name| !name.is_empty()));
    let sites = call_sites(bytes).unwrap_or_default();
    assert!(
        sites
            .iter()
            .all(|site| site.string.is_some() || site.asks.is_empty())
    );
}

/// The fields of a module: none is lost between the views of them.
pub fn modinfo(bytes: &[u8]) {
    let info = ModInfo::new(bytes);
    let fields: Vec<_> = info.fields().collect();
    for (key, value) in &fields {
        assert!(!key.contains(&b'=') && !key.contains(&0) && !value.contains(&0));
    }
    let _ = (
        info.depends().count(),
        info.softdeps().count(),
        info.weakdeps().count(),
    );
    assert_eq!(
        info.raw("alias").count(),
        fields.iter().filter(|(key, _)| *key == b"alias").count()
    );
}

/// An index: what a walk finds is found by its key, and nothing runs away.
pub fn index(bytes: &[u8]) {
    let Ok(index) = Index::new(bytes) else {
        return;
    };
    let _ = index.matching(b"usb:v0781p5567d0126dc00dsc00dp00ic08isc06ip50in00");
    let Ok(entries) = index.entries() else {
        return;
    };
    // Links to one node from many places make as many keys; a few tell.
    for (key, value) in entries.iter().take(100) {
        let found = index.get(key);
        assert!(found.contains(value), "{key:?}");
    }
}
