use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use super::*;

const MIB: u64 = 1 << 20;

/// Data in the second and fourth of five MiB.
fn sparse(path: &Path) -> File {
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .unwrap();
    file.set_len(5 * MIB).unwrap();
    file.write_all_at(&vec![1; MIB as usize], MIB).unwrap();
    file.write_all_at(&vec![2; MIB as usize], 3 * MIB).unwrap();
    file.sync_all().unwrap();
    file
}

#[test]
fn holes_are_found_and_restored() {
    let (folder, target) = target();
    let file = sparse(&folder.path().join("sparse"));
    let found = holes(&file, 5 * MIB);
    if found.is_empty() {
        return; // The file system can't tell.
    }
    assert_eq!(found, [(0, MIB), (2 * MIB, MIB), (4 * MIB, MIB)]);
    assert_eq!(holes(&file, MIB / 2), [(0, MIB / 2)]);
    assert_eq!(holes(&file, 2 * MIB + 5), [(0, MIB), (2 * MIB, 5)]);
    assert_eq!(holes(&file, 0), []);

    let content = fs::read(folder.path().join("sparse")).unwrap();
    let restored = target.create_file(b"again", 5 * MIB, &found).unwrap();
    // Pieces that go across the edges of holes.
    let piece = 700_001;
    for (number, bytes) in content.chunks(piece).enumerate() {
        restored.write_at((number * piece) as u64, bytes).unwrap();
    }
    restored.finish(&own_metadata(0o600), &[], false).unwrap();
    let path = folder.path().join("again");
    assert!(fs::read(&path).unwrap() == content);
    let status = fs::metadata(&path).unwrap();
    assert!(status.blocks() * 512 < status.size(), "{}", status.blocks());
    assert_eq!(holes(&File::open(&path).unwrap(), 5 * MIB), found);
}

#[test]
fn of_too_many_holes_the_longest_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .unwrap();
    file.set_len(10 * MIB).unwrap();
    let data = vec![1; MIB as usize];
    for offset in [1, 4, 6] {
        file.write_all_at(&data, offset * MIB).unwrap();
    }
    file.sync_all().unwrap();
    let all = unix::longest_holes(&file, 10 * MIB, 4);
    if all.is_empty() {
        return; // The file system can't tell.
    }
    assert_eq!(
        all,
        [
            (0, MIB),
            (2 * MIB, 2 * MIB),
            (5 * MIB, MIB),
            (7 * MIB, 3 * MIB)
        ]
    );
    let two = unix::longest_holes(&file, 10 * MIB, 2);
    assert_eq!(two, [(2 * MIB, 2 * MIB), (7 * MIB, 3 * MIB)]);
}

#[test]
fn a_dense_file_has_no_holes_and_none_are_made() {
    let (folder, target) = target();
    let restored = target.create_file(b"zeros", MIB, &[]).unwrap();
    restored.write_at(0, &vec![0; MIB as usize]).unwrap();
    restored.finish(&own_metadata(0o600), &[], false).unwrap();
    let file = File::open(folder.path().join("zeros")).unwrap();
    file.sync_all().unwrap();
    assert_eq!(holes(&file, MIB), []);
    assert!(file.metadata().unwrap().blocks() * 512 >= MIB);
}

#[test]
fn a_wrong_list_of_holes_loses_nothing() {
    let lists: [&[(u64, u64)]; 4] = [
        &[(0, u64::MAX)],
        &[(3, 4), (0, 5), (9, 0), (u64::MAX, 9)],
        &[(2, 1), (4, 1), (6, 1), (1, 8)],
        &[(8, 1), (0, 1), (9, 1)],
    ];
    for list in lists {
        let (folder, target) = target();
        let restored = target.create_file(b"file", 10, list).unwrap();
        for (offset, bytes) in [(6, b"6789"), (0, b"0123"), (3, b"3456")] {
            restored.write_at(offset, bytes).unwrap();
        }
        restored.finish(&own_metadata(0o600), &[], false).unwrap();
        let content = fs::read(folder.path().join("file")).unwrap();
        assert_eq!(content, b"0123456789", "{list:?}");
    }
}

#[test]
fn any_list_of_holes_becomes_spans_that_ascend_within_the_size() {
    let tidy = file::tidy(
        &[
            (50, 100),
            (1, 0),
            (20, 5),
            (0, 10),
            (2, 3),
            (25, 5),
            (101, 7),
        ],
        100,
    );
    assert_eq!(tidy, [(0, 10), (20, 30), (50, 100)]);
}
