//! The unified kernel image (UKI): an EFI program that is boot loader, kernel, initramfs and command line in one file, so
//! that one signature covers all of them.
//!
//! Specified by <https://uapi-group.org/specifications/specs/unified_kernel_image/>. A stub, systemd's, is followed by a
//! section for each part. The kernel comes last, because a stub that unpacks it in place needs the memory behind it.

use std::path::{Path, PathBuf};

use codec::file::ReadError;
use memchr::memmem;

use super::pe::{Machine, PeError, Program};

/// Larger than any stub or boot loader.
const LIMIT: u64 = 16 << 20;

/// Larger than any unified image that firmware can load.
const PROGRAM_LIMIT: u64 = 2 << 30;

/// Where distributions put systemd's EFI programs.
const FOLDERS: [&str; 2] = ["/usr/lib/systemd/boot/efi", "/lib/systemd/boot/efi"];

/// The parts of an image.
///
/// ```no_run
/// use packager::disk::uki::{Uki, find_stub, os_release};
///
/// let program = Uki {
///     stub: &find_stub(None)?.bytes,
///     kernel: &std::fs::read("/boot/vmlinuz")?,
///     initramfs: &std::fs::read("simple.igz")?,
///     append: "quiet",
///     version: "6.1.0-56-amd64",
///     os_release: &os_release("6.1.0-56-amd64"),
/// };
/// std::fs::write("linux.efi", program.build()?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Uki<'a> {
    /// The stub.
    pub stub: &'a [u8],
    /// The kernel, which must be an EFI program itself.
    pub kernel: &'a [u8],
    /// The initramfs.
    pub initramfs: &'a [u8],
    /// The kernel's command line.
    pub append: &'a str,
    /// The kernel's version (`uname -r`).
    pub version: &'a str,
    /// What stands in `/etc/os-release`: boot menus show `PRETTY_NAME`.
    pub os_release: &'a str,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum UkiError {
    /// The stub or boot loader is not installed.
    #[error(
        "`{name}` of systemd was not found (looked in {}); install the package systemd-boot-efi (systemd-boot on other distributions), name the file with {option}, or make an image for a BIOS only (`packager image --firmware bios`)",
        FOLDERS.join(", ")
    )]
    NotFound {
        /// The file's name.
        name: &'static str,
        /// The option that names it.
        option: &'static str,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The stub cannot be used.
    #[error("the stub cannot be used: {0}")]
    Stub(PeError),
    /// The stub is a kernel, which loads nothing else.
    #[error("the stub cannot be used: it is a kernel; systemd's is called linuxx64.efi.stub")]
    KernelAsStub,
    /// The boot loader stands where the stub should be, or the other way round.
    #[error("`{}` is {is}, and {wanted} is needed here: {way_out}", path.display())]
    Role {
        /// The file.
        path: PathBuf,
        /// What it is.
        is: &'static str,
        /// What it should be.
        wanted: &'static str,
        /// What to do.
        way_out: &'static str,
    },
    /// The kernel is not an EFI program.
    #[error(
        "UEFI cannot start this kernel: {0}; it must be built with CONFIG_EFI_STUB, or booted by a BIOS only (`packager image --firmware bios`)"
    )]
    Kernel(PeError),
    /// A file that shall be started is no program.
    #[error("UEFI cannot start `{}`: {source}", path.display())]
    Program {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: PeError,
    },
    /// Stub and kernel are for different machines.
    #[error("the kernel is for {kernel}, and the stub or boot loader for {stub}")]
    Machine {
        /// The kernel's.
        kernel: Machine,
        /// The stub's.
        stub: Machine,
    },
}

/// What an EFI program of systemd is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It shows a menu of entries, and starts one.
    BootLoader,
    /// It starts the kernel that is in it.
    Stub,
}

impl Role {
    /// What a program says of itself; `None` where it is none of systemd's.
    pub fn of(program: &Program<'_>) -> Option<Self> {
        let text = program.section(".sdmagic")?;
        // The boot loader was called gummiboot once.
        Some(match memmem::find(text, b"systemd-stub") {
            Some(_) => Role::Stub,
            None => Role::BootLoader,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Role::BootLoader => "systemd's boot loader",
            Role::Stub => "systemd's stub",
        }
    }
}

/// A program of systemd's.
#[derive(Clone, Debug)]
pub struct Loader {
    /// Its file.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// systemd's stub for a UKI: the file that is named, else the installed one.
///
/// # Errors
/// [`UkiError::NotFound`], [`UkiError::Read`], [`UkiError::Role`].
pub fn find_stub(named: Option<&Path>) -> Result<Loader, UkiError> {
    require(
        find(named, "linuxx64.efi.stub", "--stub")?,
        Role::Stub,
        "its file is called linuxx64.efi.stub",
    )
}

/// systemd's boot loader: the file that is named, else the installed one.
///
/// # Errors
/// [`UkiError::NotFound`], [`UkiError::Read`], [`UkiError::Role`].
pub fn find_boot_loader(named: Option<&Path>) -> Result<Loader, UkiError> {
    require(
        find(named, "systemd-bootx64.efi", "--systemd-boot")?,
        Role::BootLoader,
        "its file is called systemd-bootx64.efi; `packager image --efi FILE` starts another program",
    )
}

/// Refuses what is surely something else; other projects have programs that say nothing of themselves.
fn require(loader: Loader, wanted: Role, way_out: &'static str) -> Result<Loader, UkiError> {
    let is = match Program::parse(&loader.bytes) {
        Err(_) => return Ok(loader),
        Ok(program) if program.section(".linux").is_some() => "a unified kernel image",
        Ok(program) => match Role::of(&program) {
            Some(role) if role != wanted => role.name(),
            None if crate::kernel::version_of(&loader.bytes).is_some() => "a kernel",
            _ => return Ok(loader),
        },
    };
    let wanted = wanted.name();
    Err(UkiError::Role {
        path: loader.path,
        is,
        wanted,
        way_out,
    })
}

/// An EFI program that is made already, for example a signed image.
///
/// # Errors
/// [`UkiError::Read`], [`UkiError::Program`], [`UkiError::Role`].
pub fn read_program(path: &Path) -> Result<Vec<u8>, UkiError> {
    let bytes = codec::file::read(path, PROGRAM_LIMIT)?;
    let named = path.to_path_buf();
    let role = match Program::parse(&bytes) {
        Ok(program) if program.section(".linux").is_none() => Role::of(&program),
        Ok(_) => None,
        Err(source) => {
            return Err(UkiError::Program {
                path: named,
                source,
            });
        }
    };
    let Some(role) = role else {
        return Ok(bytes);
    };
    Err(UkiError::Role {
        path: named,
        is: role.name(),
        wanted: "a program that starts by itself",
        way_out: match role {
            Role::BootLoader => {
                "name it with --systemd-boot, which writes the entries that it reads"
            }
            Role::Stub => "`packager uki --stub` puts a kernel into it",
        },
    })
}

/// The version of the kernel in a unified kernel image.
pub fn version_in(program: &[u8]) -> Option<String> {
    let program = Program::parse(program).ok()?;
    crate::kernel::version_of(program.section(".linux")?)
}

fn find(
    named: Option<&Path>,
    name: &'static str,
    option: &'static str,
) -> Result<Loader, UkiError> {
    let installed = || {
        let places = FOLDERS.map(|folder| Path::new(folder).join(name));
        places.into_iter().find(|path| path.is_file())
    };
    let path: PathBuf = match named {
        Some(path) => path.to_path_buf(),
        None => installed().ok_or(UkiError::NotFound { name, option })?,
    };
    let bytes = codec::file::read(&path, LIMIT)?;
    Ok(Loader { path, bytes })
}

/// Checks that a kernel can be started by UEFI, and by this stub or boot loader.
///
/// # Errors
/// [`UkiError::Kernel`], [`UkiError::Stub`], [`UkiError::Machine`].
pub fn check_kernel(kernel: &[u8], loader: &[u8]) -> Result<(), UkiError> {
    let kernel = Program::parse(kernel).map_err(UkiError::Kernel)?.machine;
    let stub = Program::parse(loader).map_err(UkiError::Stub)?.machine;
    if kernel != stub {
        return Err(UkiError::Machine { kernel, stub });
    }
    Ok(())
}

impl Uki<'_> {
    /// The EFI program.
    ///
    /// # Errors
    /// [`UkiError::Kernel`], [`UkiError::Stub`], [`UkiError::KernelAsStub`], [`UkiError::Machine`].
    pub fn build(&self) -> Result<Vec<u8>, UkiError> {
        if crate::kernel::version_of(self.stub).is_some() {
            return Err(UkiError::KernelAsStub);
        }
        check_kernel(self.kernel, self.stub)?;
        let stub = Program::parse(self.stub).map_err(UkiError::Stub)?;
        let sections = [
            (".osrel", self.os_release.as_bytes().into()),
            (".cmdline", self.append.as_bytes().into()),
            (".uname", self.version.as_bytes().into()),
            (".initrd", self.initramfs.into()),
            (".linux", self.kernel.into()),
        ];
        stub.with_sections(&sections).map_err(UkiError::Stub)
    }
}

/// An os-release for images that are no distribution's.
pub fn os_release(version: &str) -> String {
    format!(
        "ID=packager\nNAME=\"Linux in memory\"\nVERSION_ID=\"{version}\"\nPRETTY_NAME=\"Linux {version} in memory\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::pe::tests::{program, program_with};
    use super::*;

    #[test]
    fn the_boot_loader_and_the_stub_are_not_taken_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program.efi");
        let loader = program_with(".sdmagic", b"#### LoaderInfo: systemd-boot 252 ####");
        let stub = program_with(".sdmagic", b"#### LoaderInfo: systemd-stub 252 ####");
        let unified = program_with(".linux", b"kernel");
        let named = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Some(path.as_path())
        };
        assert!(find_boot_loader(named(&loader)).is_ok());
        assert!(find_stub(named(&stub)).is_ok());
        // One that says nothing of itself.
        assert!(find_stub(named(&program())).is_ok());
        assert!(read_program(named(&unified).unwrap()).is_ok());
        fn error<T: std::fmt::Debug>(result: Result<T, UkiError>) -> String {
            result.unwrap_err().to_string()
        }
        for (error, words) in [
            (
                error(find_boot_loader(named(&stub))),
                "is systemd's stub, and",
            ),
            (
                error(find_boot_loader(named(&unified))),
                "is a unified kernel",
            ),
            (error(find_stub(named(&loader))), "is systemd's boot loader"),
            (
                error(find_stub(named(&unified))),
                "is a unified kernel image",
            ),
            (
                error(read_program(named(&loader).unwrap())),
                "--systemd-boot",
            ),
            (
                error(read_program(named(&stub).unwrap())),
                "packager uki --stub",
            ),
        ] {
            assert!(error.contains(words), "`{words}` is not in {error}");
        }
    }

    #[test]
    fn every_part_is_a_section() {
        let stub = program();
        let uki = Uki {
            stub: &stub,
            kernel: &program(),
            initramfs: b"070701",
            append: "quiet",
            version: "6.1",
            os_release: &os_release("6.1"),
        };
        let bytes = uki.build().unwrap();
        let built = Program::parse(&bytes).unwrap();
        let names: Vec<_> = built.sections.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(
            names,
            [".text", ".osrel", ".cmdline", ".uname", ".initrd", ".linux"]
        );
        assert_eq!(built.section(".cmdline"), Some(&b"quiet"[..]));
        let kernel = Uki {
            kernel: b"no kernel",
            ..uki
        };
        let error = kernel.build().unwrap_err().to_string();
        assert!(error.contains("CONFIG_EFI_STUB"), "{error}");
    }
}
