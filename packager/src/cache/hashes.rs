//! What files' contents hash to, by what is known of the files without a look into them.
//!
//! The key of a segment has the hash of each file in it. Most of these files (modules, busybox, libraries) are the same from one
//! build to the next, and reading them only to find that out takes longer than all the rest of a rebuild.
//!
//! As with make(1) and git, times stand for contents. Files are read all the same where their times may not tell:
//! * in file systems without a change time of their own (`fingerprint.rs`), and without a disk: what tmpfs holds can be written
//!   through a map without a sign, and what overlays and network file systems say of times is their own;
//! * those that have changed within a minute: a page that was written through a map shows that it is written again only after
//!   it has come to the disk, which it does within half a minute (`vm.dirty_expire_centisecs`).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use rayon::prelude::*;

use super::fingerprint::Fingerprint;
use super::{Cache, Key, Kind};
use crate::plan::Data;

/// Less is hashed sooner than looked up.
const WORTH_IT: usize = 4096;

/// Then every page that was written through a map has come to the disk.
const WRITTEN_BACK: Duration = Duration::from_secs(60);

impl Cache {
    /// Tells whole files what their contents hash to: what is kept, or what is worked out now, and kept. They were opened after
    /// `begun`.
    pub(crate) fn tell_hashes(&self, data: &[&Data], begun: Option<SystemTime>) {
        let unknown = data.iter().filter(|data| data.known_hash().is_none());
        let large = unknown.filter(|data| data.len() >= WORTH_IT);
        let files = large.filter_map(|data| Some((*data, data.file()?)));
        let sure = files.filter(|(_, found)| times_tell(found, begun));
        let (data, files): (Vec<&Data>, Vec<_>) = sure.unzip();
        if data.is_empty() {
            return;
        }
        let print = Fingerprint::of_open(files);
        let key = Key::new(Kind::Hashes, &[print.hash.as_bytes()]);
        if let Some(kept) = self.get(&key)
            && let (hashes, []) = kept.as_chunks()
            && hashes.len() == data.len()
        {
            for (data, hash) in data.iter().zip(hashes) {
                data.set_hash(blake3::Hash::from_bytes(*hash));
            }
            return;
        }
        let hashes: Vec<_> = data
            .par_iter()
            .map(|data| *data.hash().as_bytes())
            .collect();
        self.put(&key, hashes.as_flattened());
    }
}

/// Whether a file that is changed after this has other times for certain.
fn times_tell(found: &Metadata, begun: Option<SystemTime>) -> bool {
    let before = begun.and_then(|begun| begun.checked_sub(WRITTEN_BACK));
    let has_disk = rustix::fs::major(found.dev()) != 0;
    has_disk && before.is_some_and(|before| Fingerprint::of_open([found]).is_settled_at(before))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes};
    use std::path::Path;

    use super::*;

    #[test]
    fn a_file_that_has_changed_is_hashed_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache"), 1 << 20).unwrap();
        let path = folder.path().join("file");
        let write = |byte: u8| fs::write(&path, vec![byte; WORTH_IT]).unwrap();
        let open = || Data::read(&path, 1 << 20).unwrap();
        let later = Some(SystemTime::now() + 2 * WRITTEN_BACK);
        write(1);
        let one = open();
        let is_kept = one.file().is_some_and(|found| times_tell(found, later));
        cache.tell_hashes(&[&one], later);
        assert_eq!(*one.hash(), blake3::hash(&one));
        // What was kept is believed; nothing is where the folder for temporary files is in memory.
        if is_kept {
            let made_up = blake3::hash(b"made up");
            replace(&folder.path().join("cache"), &cache, made_up);
            let again = open();
            cache.tell_hashes(&[&again], later);
            assert_eq!(*again.known_hash().unwrap(), made_up);
        }
        // The size and the modification time are those of before.
        let times = fs::metadata(&path).unwrap().modified().unwrap();
        write(2);
        let file = File::open(&path).unwrap();
        file.set_times(FileTimes::new().set_modified(times))
            .unwrap();
        let other = open();
        cache.tell_hashes(&[&other], later);
        assert_ne!(other.known_hash(), one.known_hash());
        assert_eq!(*other.hash(), blake3::hash(&other));
    }

    /// Puts another hash under the only key that is there.
    fn replace(folder: &Path, cache: &Cache, hash: blake3::Hash) {
        let entry = fs::read_dir(folder).unwrap().next().unwrap().unwrap();
        let name = entry.file_name().into_string().unwrap();
        let key = Key {
            kind: Kind::Hashes,
            hash: name.split('.').next().unwrap().parse().unwrap(),
        };
        assert_eq!(cache.path(&key), entry.path());
        cache.put(&key, hash.as_bytes());
    }

    #[test]
    fn what_may_change_unseen_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache"), 1 << 20).unwrap();
        let path = folder.path().join("file");
        fs::write(&path, vec![1; WORTH_IT]).unwrap();
        for begun in [None, Some(SystemTime::now() + WRITTEN_BACK)] {
            let data = Data::read(&path, 1 << 20).unwrap();
            cache.tell_hashes(&[&data], begun);
            assert!(data.known_hash().is_none());
        }
        assert_eq!(
            fs::read_dir(folder.path().join("cache")).unwrap().count(),
            0
        );
    }
}
