//! The signature that is appended to a module's file, as far as it says who signed and how. It is not verified.
//!
//! The file ends with the signature, a header of 12 bytes and a fixed text (`include/linux/module_signature.h`,
//! `scripts/sign-file.c`). The signature is a CMS message (RFC 5652) in DER, of which the first `SignerInfo` is looked at.

use crate::elf::SIGNED;

/// What a module's signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The common name of who issued the signer's certificate; empty where the signature does not say.
    pub signer: String,
    /// The certificate's serial number.
    pub key: Vec<u8>,
    /// The hash: `sha256`, for example.
    pub hash: &'static str,
    /// The signature itself.
    pub signature: Vec<u8>,
}

/// `id_type` of a CMS message; the others are of kernels before 4.3.
const PKCS7: u8 = 2;

/// Hashes by the DER of their object identifiers.
const HASHES: [(&[u8], &str); 10] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 4], "md4"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 5], "md5"),
    (&[0x2b, 0x0e, 3, 2, 0x1a], "sha1"),
    (&[0x2b, 0x24, 3, 2, 1], "rmd160"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1], "sha256"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2], "sha384"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3], "sha512"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 4], "sha224"),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 8], "sha3-256"),
    (&[0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x83, 0x11], "sm3"),
];

/// `id-at-commonName`
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

// DER tags.
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const CONTEXT_0: u8 = 0xa0;

impl Signature {
    /// Reads the signature at the end of a module's file; `None` where there is none, or one of another kind.
    pub fn parse(file: &[u8]) -> Option<Self> {
        let rest = file.strip_suffix(SIGNED)?;
        let (rest, header) = rest.split_last_chunk::<12>()?;
        let [_, _, kind, _, _, _, _, _, length @ ..] = *header;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        let start = rest.len().checked_sub(length)?;
        match kind {
            PKCS7 => cms(rest.get(start..)?),
            _ => None,
        }
    }
}

/// The first signer of a CMS message.
fn cms(message: &[u8]) -> Option<Signature> {
    // ContentInfo { contentType, [0] SignedData { version, digests, content, [0] certificates?, [1] lists?, signers } }
    let mut info = Reader(Reader(message).take(SEQUENCE)?);
    info.take(OBJECT)?;
    let mut data = Reader(Reader(info.take(CONTEXT_0)?).take(SEQUENCE)?);
    data.take(INTEGER)?;
    data.take(SET)?;
    data.take(SEQUENCE)?;
    let mut signers = loop {
        match data.next()? {
            (SET, signers) => break Reader(signers),
            _ => continue,
        }
    };
    // SignerInfo { version, issuer and serial, digest, [0] attributes?, algorithm, signature }
    let mut signer = Reader(signers.take(SEQUENCE)?);
    signer.take(INTEGER)?;
    let mut id = Reader(signer.take(SEQUENCE)?);
    let issuer = id.take(SEQUENCE)?;
    let serial = id.take(INTEGER)?;
    let hash = Reader(signer.take(SEQUENCE)?).take(OBJECT)?;
    let (_, hash) = HASHES.iter().find(|(object, _)| *object == hash)?;
    let signature = loop {
        match signer.next()? {
            (OCTETS, signature) => break signature,
            _ => continue,
        }
    };
    Some(Signature {
        signer: common_name(issuer).unwrap_or_default(),
        // A leading zero only says that the number is not negative.
        key: serial.strip_prefix(&[0]).unwrap_or(serial).to_vec(),
        hash,
        signature: signature.to_vec(),
    })
}

/// The first common name of a distinguished name: a sequence of sets of (type, value).
fn common_name(issuer: &[u8]) -> Option<String> {
    let mut names = Reader(issuer);
    loop {
        let mut pair = Reader(Reader(names.take(SET)?).take(SEQUENCE)?);
        if pair.take(OBJECT)? == COMMON_NAME {
            let (_, text) = pair.next()?;
            return Some(String::from_utf8_lossy(text).into_owned());
        }
    }
}

/// DER values, one after the other: a tag, a length, the contents.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            // The number of bytes that the length takes; more than four would be no module.
            let (bytes, behind) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if bytes.len() > 4 {
                return None;
            }
            length = bytes
                .iter()
                .fold(0, |length, &byte| length << 8 | usize::from(byte));
            rest = behind;
        }
        let (contents, behind) = rest.split_at_checked(length)?;
        self.0 = behind;
        Some((tag, contents))
    }

    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(found, _)| *found == tag)
            .map(|(_, contents)| contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let contents = parts.concat();
        let length = u8::try_from(contents.len()).unwrap();
        [&[tag, 0x81, length], &contents[..]].concat()
    }

    /// A file with a signature by `CN=me`, serial number 0x80, SHA-256, `sign`.
    fn signed() -> Vec<u8> {
        let name = der(
            SEQUENCE,
            &[&der(OBJECT, &[COMMON_NAME]), &der(0x0c, &[b"me"])],
        );
        let id = der(
            SEQUENCE,
            &[
                &der(SEQUENCE, &[&der(SET, &[&name])]),
                &der(INTEGER, &[&[0, 0x80]]),
            ],
        );
        let hash = der(SEQUENCE, &[&der(OBJECT, &[HASHES[4].0])]);
        let version = der(INTEGER, &[&[1]]);
        let algorithm = der(SEQUENCE, &[]);
        let signer = der(
            SEQUENCE,
            &[&version, &id, &hash, &algorithm, &der(OCTETS, &[b"sign"])],
        );
        let data = der(
            SEQUENCE,
            &[&version, &der(SET, &[]), &algorithm, &der(SET, &[&signer])],
        );
        let message = der(
            SEQUENCE,
            &[&der(OBJECT, &[&[1]]), &der(CONTEXT_0, &[&data])],
        );
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [
            b"ELF",
            &message[..],
            &[0, 0, PKCS7, 0, 0, 0, 0, 0],
            &length,
            SIGNED,
        ]
        .concat()
    }

    #[test]
    fn who_signed_and_how() {
        let found = Signature::parse(&signed()).unwrap();
        assert_eq!(found.signer, "me");
        assert_eq!(found.key, [0x80]);
        assert_eq!((found.hash, &*found.signature), ("sha256", &b"sign"[..]));
        assert_eq!(Signature::parse(b"ELF"), None);
        assert_eq!(Signature::parse(SIGNED), None);
    }

    #[test]
    fn damage_is_no_signature_and_no_panic() {
        let file = signed();
        for at in 0..file.len() {
            for byte in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut broken = file.clone();
                broken[at] = byte;
                let _ = Signature::parse(&broken);
            }
        }
    }
}
