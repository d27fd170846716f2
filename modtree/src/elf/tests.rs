use object::{Architecture, Endianness};
use proptest::prelude::*;

use super::*;
use crate::testing::Synthetic;

fn sample() -> Synthetic {
    Synthetic {
        imports: vec!["load_nls", "printk"],
        crcs: vec!["fat_attach", "fat_detach"],
        ksymtab_strings: Some(b"fat_attach\0FAT_NAMESPACE\0fat_detach\0"),
        rodata: b"\0cp%d\0xcp%d\0",
        ..Synthetic::new("license=GPL\ndepends=nls_base\nvermagic=6.1.0-56-amd64 SMP \n")
    }
}

#[test]
fn every_class_and_byte_order() {
    for (architecture, endian) in [
        (Architecture::X86_64, Endianness::Little),
        (Architecture::I386, Endianness::Little),
        (Architecture::S390x, Endianness::Big),
        (Architecture::PowerPc, Endianness::Big),
    ] {
        let module = Synthetic {
            architecture,
            endian,
            ..sample()
        };
        let module = Module::parse(&module.bytes()).unwrap();
        assert_eq!(
            module.info.get("license").as_deref(),
            Some("GPL"),
            "{architecture:?}"
        );
        assert_eq!(module.imports, ["load_nls", "printk"], "{architecture:?}");
        assert_eq!(
            module.exports,
            ["fat_attach", "fat_detach"],
            "{architecture:?}"
        );
        let magic = module.info.vermagic().unwrap();
        assert_eq!(magic.release(), "6.1.0-56-amd64");
        assert!(!module.signed);
    }
}

#[test]
fn a_table_of_names_that_has_no_end_is_told() {
    use object::{Object, ObjectSection, ObjectSymbol};
    let mut bytes = sample().bytes();
    let file = object::File::parse(&*bytes).unwrap();
    let names = file.section_by_name(".strtab").unwrap();
    let (offset, size) = names.file_range().unwrap();
    let data = names.data().unwrap();
    let last = data[..data.len() - 1]
        .rsplit(|&byte| byte == 0)
        .next()
        .unwrap();
    let mut symbols = file.symbols();
    let symbol = symbols.find(|symbol| symbol.name_bytes() == Ok(last));
    assert!(!symbol.unwrap().is_undefined());
    let end = (offset + size) as usize - 1;
    let start = end - last.len();
    // The name is that of a symbol now which is of no concern to other modules.
    bytes[start] = b'x';
    assert!(Module::parse(&bytes).is_ok());
    bytes[end] = b'x';
    let found = Module::parse(&bytes);
    assert!(
        matches!(found, Err(ElfError::SymbolName { .. })),
        "{found:?}"
    );
}

#[test]
fn an_address_that_is_not_aligned_makes_no_difference() {
    let mut bytes = vec![0];
    bytes.extend(sample().bytes());
    assert_eq!(Module::parse(&bytes[1..]), Module::parse(&sample().bytes()));
}

#[test]
fn without_modversions_the_exports_are_in_ksymtab_strings() {
    let module = Synthetic {
        crcs: vec![],
        ..sample()
    };
    let module = Module::parse(&module.bytes()).unwrap();
    assert_eq!(
        module.exports,
        ["fat_attach", "FAT_NAMESPACE", "fat_detach"]
    );
}

#[test]
fn a_signature_is_seen() {
    let mut bytes = sample().bytes();
    bytes.extend_from_slice(b"PKCS#7~Module signature appended~\n");
    assert!(Module::parse(&bytes).unwrap().signed);
}

#[test]
fn a_string_is_found_as_a_whole() {
    let bytes = sample().bytes();
    let find = |text| {
        let wanted = Wanted {
            string: Some(text),
            ..Wanted::default()
        };
        read(bytes.as_slice(), wanted).unwrap().string
    };
    assert_eq!(find("cp%d"), Some((".rodata.str1.1".to_owned(), 1)));
    assert_eq!(find("p%d"), None);
}

#[test]
fn each_damage_has_its_sentence() {
    let good = sample().bytes();
    let error = |bytes: &[u8]| Module::parse(bytes).unwrap_err().to_string();
    assert_eq!(
        error(b""),
        "not an ELF file: it is empty, and ELF begins with [7f, 45, 4c, 46]"
    );
    assert_eq!(
        error(b"\x28\xb5\x2f\xfdxx"),
        "not an ELF file: it begins with [28, b5, 2f, fd], and ELF begins with [7f, 45, 4c, 46]"
    );
    assert_eq!(
        error(&good[..20]),
        "truncated: the file ends at 0x14, within the ELF header, which ends at 0x40"
    );
    let cut = error(&good[..good.len() - 1]);
    assert!(cut.starts_with("truncated: the file ends at 0x"), "{cut}");
    assert!(cut.contains("section headers at offset 0x"), "{cut}");
    let mut executable = good.clone();
    executable[16] = 2;
    assert_eq!(
        error(&executable),
        "not a kernel module: ELF type 2 at offset 0x10, and a module has type 1 (relocatable)"
    );
    let mut class = good.clone();
    class[4] = 9;
    assert_eq!(
        error(&class),
        "the ELF header has class 0x9 at offset 0x4, which is not known"
    );
    let mut order = good;
    order[5] = 0;
    assert_eq!(
        error(&order),
        "the ELF header has byte order 0x0 at offset 0x5, which is not known"
    );
    let object = Synthetic {
        modinfo: None,
        ..sample()
    };
    assert_eq!(
        error(&object.bytes()),
        "not a kernel module: no .modinfo section"
    );
    let open = Synthetic {
        crcs: vec![],
        ksymtab_strings: Some(b"no end"),
        ..sample()
    };
    let open = error(&open.bytes());
    assert!(
        open.starts_with("corrupt: section __ksymtab_strings at offset 0x"),
        "{open}"
    );
}

/// The place of a section header in a 64-bit little-endian file.
fn header_of(bytes: &[u8], wanted: &[u8]) -> usize {
    let number = |at: usize, size: usize| {
        let mut value = [0; 8];
        value[..size].copy_from_slice(&bytes[at..at + size]);
        u64::from_le_bytes(value) as usize
    };
    let table = number(0x28, 8);
    let names = number(table + number(0x3e, 2) * 64 + 0x18, 8);
    let headers = (0..number(0x3c, 2)).map(|index| table + index * 64);
    let mut found = headers.filter(|&at| bytes[names + number(at, 4)..].starts_with(wanted));
    found.next().unwrap()
}

#[test]
fn a_section_beyond_the_end_is_named() {
    let mut bytes = sample().bytes();
    let at = header_of(&bytes, b".modinfo\0");
    bytes[at + 0x20..at + 0x28].copy_from_slice(&u64::MAX.to_le_bytes());
    let error = Module::parse(&bytes).unwrap_err();
    assert!(
        matches!(&error, ElfError::Bounds { section, size: u64::MAX, .. } if section == ".modinfo"),
        "{error}"
    );
    bytes[at + 4] = 8;
    let error = Module::parse(&bytes).unwrap_err().to_string();
    assert_eq!(
        error,
        "corrupt: section .modinfo has no contents in the file (NOBITS)"
    );
}

#[test]
fn a_symbol_without_a_name_in_strtab_is_named() {
    let mut bytes = sample().bytes();
    let at = header_of(&bytes, b".strtab\0");
    bytes[at + 0x20..at + 0x28].copy_from_slice(&3_u64.to_le_bytes());
    let error = Module::parse(&bytes).unwrap_err().to_string();
    assert!(
        error.starts_with("corrupt: symbol ") && error.contains(".strtab, which is 0x3 bytes long"),
        "{error}"
    );
}

#[test]
fn truncation_at_every_byte_is_an_error() {
    let bytes = sample().bytes();
    for length in 0..bytes.len() {
        assert!(
            Module::parse(&bytes[..length]).is_err(),
            "{length} of {} bytes",
            bytes.len()
        );
    }
}

proptest! {
    #[test]
    fn flipped_bits_never_panic(flips in prop::collection::vec((0_usize..4096, any::<u8>()), 1..8)) {
        for architecture in [Architecture::X86_64, Architecture::I386] {
            let module = Synthetic { architecture, ..sample() };
            let mut bytes = module.bytes();
            for &(at, mask) in &flips {
                let length = bytes.len();
                bytes[at % length] ^= mask;
            }
            let _ = Module::parse(&bytes);
            let wanted = Wanted { string: Some("cp%d"), ..Wanted::default() };
            let _ = read(bytes.as_slice(), wanted);
        }
    }

    #[test]
    fn any_bytes_behind_the_magic_never_panic(tail in prop::collection::vec(any::<u8>(), 0..512)) {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.extend(tail);
        let _ = Module::parse(&bytes);
    }
}
