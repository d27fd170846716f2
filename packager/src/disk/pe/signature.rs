//! Whether a signature of a program is of its bytes, as far as that can be seen without the key.
//!
//! Specified by Microsoft's "Windows Authenticode Portable Executable Signature Format": a signature holds the SHA-256 of the
//! program without its check sum, without the place of the signatures, and without the signatures, which are at its end.

use memchr::memmem;
use sha2::{Digest, Sha256};

use super::{Program, field, u32_at};

/// How SHA-256 is named in a signature: 2.16.840.1.101.3.4.2.1, in DER.
const SHA_256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

impl Program<'_> {
    /// Whether the signatures have the program's hash; `None` where there is none of SHA-256.
    pub fn signature_matches(&self) -> Option<bool> {
        let directory = self.signature + field::CERTIFICATES;
        let start = u32_at(self.bytes, directory)? as usize;
        let size = u32_at(self.bytes, directory + 4)? as usize;
        if start == 0 || size == 0 {
            return None;
        }
        let checksum = self.signature + field::CHECKSUM;
        let Some((program, signatures)) = self.bytes.split_at_checked(start) else {
            return Some(false);
        };
        memmem::find(signatures, SHA_256)?;
        let mut hash = Sha256::new();
        for range in [0..checksum, checksum + 4..directory, directory + 8..start] {
            hash.update(program.get(range)?);
        }
        let behind = signatures.get(size..).unwrap_or_default();
        hash.update(behind);
        Some(memmem::find(signatures, &hash.finalize()).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::program;
    use super::*;

    #[test]
    fn a_signature_is_of_the_programs_bytes() {
        let mut bytes = program();
        assert_eq!(Program::parse(&bytes).unwrap().signature_matches(), None);
        let directory = 0x80 + field::CERTIFICATES;
        let end = bytes.len();
        let mut hash = Sha256::new();
        for range in [
            0..0x80 + field::CHECKSUM,
            0x80 + field::CHECKSUM + 4..directory,
            directory + 8..end,
        ] {
            hash.update(&bytes[range]);
        }
        let signature = [SHA_256, &hash.finalize()].concat();
        bytes[directory..directory + 4].copy_from_slice(&(end as u32).to_le_bytes());
        bytes[directory + 4] = signature.len() as u8;
        bytes.extend(signature);
        let matches = |bytes: &[u8]| Program::parse(bytes).unwrap().signature_matches();
        assert_eq!(matches(&bytes), Some(true));
        bytes[0x80 + field::CHECKSUM] ^= 1;
        assert_eq!(matches(&bytes), Some(true));
        bytes[0x410] ^= 1;
        assert_eq!(matches(&bytes), Some(false));
    }
}
