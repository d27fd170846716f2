//! The numbers that tell one image from another, derived from what is in it: the same inputs give the same.

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_128;

use super::fat::Label;
use super::gpt::Guid;

/// Collects what an image is made of.
#[derive(Debug)]
pub(super) struct Identity(Sha256);

/// 256 bits, of which every number takes some of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers([u8; 32]);

impl Identity {
    pub(super) fn new(label: &Label) -> Self {
        Self(Sha256::new_with_prefix(format!("{label:?}")))
    }

    /// Adds a file. Nobody is kept from making two files of one XXH3 sum, and nothing depends on that: what is wanted is that
    /// two images on one machine are told apart. SHA-256 over a kernel takes as long as writing it.
    pub(super) fn add(&mut self, path: &str, data: &[u8]) {
        self.0.update((path.len() as u64).to_le_bytes());
        self.0.update(path);
        self.0.update((data.len() as u64).to_le_bytes());
        self.0.update(xxh3_128(data).to_le_bytes());
    }

    pub(super) fn numbers(self) -> Numbers {
        Numbers(self.0.finalize().into())
    }
}

impl Numbers {
    /// A file system's serial number.
    pub(super) fn serial(&self) -> u32 {
        self.number(0)
    }

    /// An MBR's disk signature.
    pub(super) fn signature(&self) -> u32 {
        self.number(4)
    }

    /// The GUIDs of a disk and of its partition.
    pub(super) fn guids(&self) -> [Guid; 2] {
        [8, 16].map(|at| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&self.0[at..at + 16]);
            Guid::derived(bytes)
        })
    }

    /// Not 0, which means that there is no number.
    fn number(&self, at: usize) -> u32 {
        let bytes = [0, 1, 2, 3].map(|index| self.0[at + index]);
        u32::from_le_bytes(bytes).max(1)
    }
}
