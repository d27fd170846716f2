//! A kernel's configuration where no distribution has put it: beside the image, in the tree where it was built, or in the
//! kernel itself.
//!
//! With `CONFIG_IKCONFIG` a kernel carries its configuration between the words `IKCFG_ST` and `IKCFG_ED`, compressed by gzip
//! (`kernel/configs.c` of the kernel's source; `scripts/extract-ikconfig` finds it so, too).

use std::borrow::Cow;
use std::path::Path;

use memchr::memmem;
use modtree::KernelConfig;

use super::{IMAGE_LIMIT, arm64, bzimage};

/// What stands before the configuration.
const BEGIN: &[u8] = b"IKCFG_ST";

/// A configuration is some 250 KiB.
const LIMIT: u64 = 16 << 20;

/// The configuration of the kernel `image`, which says that it is `version`: from `config-VERSION` beside it, from `.config` in the
/// tree that it was built in, or from itself. What cannot be read is not there.
pub fn configuration(image: &Path, version: &str) -> Option<KernelConfig> {
    let beside = image.with_file_name(format!("config-{version}"));
    let mut files = [Some(beside), in_build_tree(image)].into_iter().flatten();
    let read = files.find_map(|path| KernelConfig::read(&path).ok());
    read.or_else(|| embedded(&codec::map(image, IMAGE_LIMIT).ok()?))
}

/// `.config` for `arch/ARCH/boot/IMAGE`.
fn in_build_tree(image: &Path) -> Option<std::path::PathBuf> {
    let boot = image.parent().filter(|folder| folder.ends_with("boot"))?;
    let arch = boot
        .parent()?
        .parent()
        .filter(|folder| folder.ends_with("arch"))?;
    Some(arch.with_file_name(".config"))
}

/// What the kernel itself carries.
fn embedded(image: &[u8]) -> Option<KernelConfig> {
    let kernel = bzimage::unpacked(image).map(Cow::Owned);
    let kernel = kernel.or_else(|| arm64::unpacked(image))?;
    memmem::find_iter(&kernel, BEGIN).find_map(|at| {
        let packed = kernel.get(at + BEGIN.len()..)?;
        let mut text = Vec::new();
        codec::Member::new(packed)?
            .read_into(&mut text, LIMIT)
            .ok()?;
        Some(KernelConfig::parse(&text))
    })
}

#[cfg(test)]
mod tests {
    use codec::Format;

    use super::*;

    /// A kernel with its configuration, without its compression.
    fn kernel() -> Vec<u8> {
        let packed = codec::encode(b"CONFIG_FAT_FS=m\n", Format::Gzip, None).unwrap();
        let mut kernel = vec![0; 0x38];
        kernel.extend_from_slice(b"ARM\x64 IKCFG_ST is no configuration here ");
        kernel.extend_from_slice(&[b"IKCFG_ST", &packed[..], b"IKCFG_ED"].concat());
        kernel
    }

    fn option(image: &[u8]) -> Option<String> {
        let config = embedded(image)?;
        config.get("CONFIG_FAT_FS").map(str::to_owned)
    }

    #[test]
    fn a_kernel_carries_its_configuration() {
        for format in [Format::Gzip, Format::Xz, Format::Zstd, Format::Lz4Legacy] {
            let payload = codec::encode(&kernel(), format, None).unwrap();
            let mut image = vec![0; 0x400];
            image[0x1f1] = 1;
            image[0x202..0x206].copy_from_slice(b"HdrS");
            image[0x24c..0x250].copy_from_slice(&(payload.len() as u32 + 4).to_le_bytes());
            image.extend_from_slice(&payload);
            // The unpacked length, which the kernel's own makefiles put there.
            image.extend_from_slice(&[1, 2, 3, 4]);
            assert_eq!(option(&image).as_deref(), Some("m"), "{format}");
        }
    }

    #[test]
    fn so_does_one_for_arm64() {
        assert_eq!(option(&kernel()).as_deref(), Some("m"));
        let packed = codec::encode(&kernel(), Format::Gzip, None).unwrap();
        assert_eq!(option(&packed).as_deref(), Some("m"));
        assert_eq!(option(&kernel()[..0x60]), None);
        assert_eq!(option(b"no kernel"), None);
    }

    #[test]
    fn files_come_first() {
        let root = tempfile::tempdir().unwrap();
        let boot = root.path().join("arch/x86/boot");
        std::fs::create_dir_all(&boot).unwrap();
        let image = boot.join("bzImage");
        std::fs::write(&image, kernel()).unwrap();
        let found = |version| {
            let config = configuration(&image, version).unwrap();
            config.get("CONFIG_FAT_FS").map(str::to_owned)
        };
        assert_eq!(found("6.1").as_deref(), Some("m"));
        std::fs::write(root.path().join(".config"), "CONFIG_FAT_FS=y\n").unwrap();
        assert_eq!(found("6.1").as_deref(), Some("y"));
        std::fs::write(boot.join("config-6.1"), "CONFIG_FAT_FS=1\n").unwrap();
        assert_eq!(found("6.1").as_deref(), Some("1"));
    }
}
