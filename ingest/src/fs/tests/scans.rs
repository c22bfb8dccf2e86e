use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use nightfold_repo::format::path_order;

use super::*;

fn assert_ascending(found: &[Found]) {
    for pair in found.windows(2) {
        let order = path_order(&pair[0].path, &pair[1].path);
        assert!(order.is_lt(), "{:?} {:?}", pair[0].path, pair[1].path);
    }
}

#[test]
fn odd_names_come_in_path_order_with_directories_first() {
    let folder = tree(&["a/b", "a/z/y", "a-b", "a\n/x", "a.b", " ", "z"]);
    let invalid = folder.path().join(as_path(b"\xc3\x28"));
    fs::write(invalid, "").unwrap();
    let found = found(&[folder.path()], &[]);
    assert_ascending(&found);
    let expected = [
        " ", "a", "a/b", "a/z", "a/z/y", "a\\n", "a\\n/x", "a-b", "a.b", "z", "\\xc3(",
    ];
    assert_eq!(text(&below(folder.path(), &found)), expected);
}

/// What a walk without any finesse sees.
fn walk(folder: &Path, into: &mut HashSet<Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        into.insert(path_bytes(&entry.path()).to_vec());
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), into);
        }
    }
}

#[test]
fn random_trees_are_found_whole_and_in_order() {
    for seed in 1..=20u64 {
        let mut state = seed;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        let folder = tempfile::tempdir().unwrap();
        let mut folders = vec![folder.path().to_owned()];
        for _ in 0..120 {
            let letters = b"ab-.\n \xff!0\x01";
            let name: Vec<u8> = (0..=random(3)).map(|_| letters[random(10)]).collect();
            let path = folders[random(folders.len())].join(as_path(&name));
            if name == b"." || name == b".." || path.symlink_metadata().is_ok() {
                continue;
            }
            if random(3) == 0 {
                fs::create_dir(&path).unwrap();
                folders.push(path);
            } else {
                fs::write(path, "").unwrap();
            }
        }
        let found = found(&[folder.path()], &[]);
        assert_ascending(&found);
        let base = path_bytes(folder.path());
        let paths = found.iter().map(|found| found.path.clone());
        let seen: HashSet<Vec<u8>> = paths
            .filter(|path| path.len() > base.len() && path.starts_with(base))
            .collect();
        let mut expected = HashSet::new();
        walk(folder.path(), &mut expected);
        assert_eq!(seen, expected, "seed {seed}");
    }
}

#[test]
fn nested_and_repeated_roots_are_visited_once() {
    let folder = tree(&["a/b/c", "a/d", "e/f", "e/g"]);
    let at = |name: &str| folder.path().join(name);
    let roots = [at("a/b"), at("a"), at("./a/"), at("e/x/../f"), at("a/b/c")];
    let roots: Vec<&Path> = roots.iter().map(PathBuf::as_path).collect();
    let found = found(&roots, &[]);
    assert_ascending(&found);
    let expected = ["a", "a/b", "a/b/c", "a/d", "e", "e/f"];
    assert_eq!(text(&below(folder.path(), &found)), expected);
}

#[test]
fn a_root_within_an_excluded_directory_is_visited() {
    let folder = tree(&["a/skip/x/y", "a/skip/z", "a/w"]);
    let nested = folder.path().join("a/skip/x");
    let found = found(&[&folder.path().join("a"), &nested], &["skip"]);
    let expected = ["a", "a/skip", "a/skip/x", "a/skip/x/y", "a/w"];
    assert_eq!(text(&below(folder.path(), &found)), expected);
}

#[test]
fn directories_that_lead_to_a_root_come_with_their_modes() {
    let folder = tree(&["a/b/c", "a/other"]);
    let a = folder.path().join("a");
    set_mode(&a, 0o751);
    let found = found(&[&a.join("b")], &[]);
    assert_eq!(text(&below(folder.path(), &found)), ["a", "a/b", "a/b/c"]);
    let parent = found
        .iter()
        .find(|found| found.path == path_bytes(&a))
        .unwrap();
    assert_eq!(parent.kind, FoundKind::Directory);
    assert_eq!(parent.metadata.mode, 0o751);
    // From the top, but without it: `/` isn't a name.
    let depth = path_bytes(&a).split(|byte| *byte == b'/').count() - 1;
    assert_eq!(found.len(), depth + 2);
}

#[test]
fn relative_roots_start_at_the_current_directory() {
    let found = found(&[Path::new("src/../Cargo.toml")], &[]);
    let expected = std::env::current_dir().unwrap().join("Cargo.toml");
    assert_eq!(found.last().unwrap().path, path_bytes(&expected));
}

#[test]
fn a_missing_root_is_an_error_that_names_it() {
    for missing in ["/no/such/thing", ""] {
        let result = Scan::new(&["/".into(), missing.into()], &[]);
        let Err(ScanError::Root { path, source }) = result else {
            panic!("taken");
        };
        assert_eq!(path, Path::new(missing));
        assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
    }
}

#[test]
fn hard_links_share_an_identity_and_others_have_none() {
    let folder = tree(&["a", "c"]);
    fs::hard_link(folder.path().join("a"), folder.path().join("b")).unwrap();
    let links: Vec<Option<LinkIdentity>> = found(&[folder.path()], &[])
        .into_iter()
        .filter_map(|found| match found.kind {
            FoundKind::File { link, .. } => Some(link),
            _ => None,
        })
        .collect();
    assert_eq!(links.len(), 3);
    assert!(links[0].is_some());
    assert_eq!(links[0], links[1]);
    assert_eq!(links[2], None);
}

#[test]
fn links_are_found_as_such_and_not_followed() {
    let folder = tree(&["real/x"]);
    let link = folder.path().join("link");
    symlink("real", &link).unwrap();
    symlink(as_path(b"gone\xff\n"), folder.path().join("broken")).unwrap();
    let all = found(&[folder.path()], &[]);
    let expected = ["broken", "link", "real", "real/x"];
    assert_eq!(text(&below(folder.path(), &all)), expected);
    let broken = &all[all.len() - 4];
    assert_eq!(broken.kind, FoundKind::Symlink(b"gone\xff\n".to_vec()));
    // As a root, too.
    assert_eq!(look_at(&link).kind, FoundKind::Symlink(b"real".to_vec()));
}

#[test]
fn a_link_that_leads_to_a_root_is_found_as_a_directory() {
    let folder = tree(&["real/x", "real/y"]);
    symlink("real", folder.path().join("link")).unwrap();
    let through = folder.path().join("link/x");
    let expected = ["link", "link/x"];
    let alone = found(&[&through], &[]);
    assert_eq!(text(&below(folder.path(), &alone)), expected);
    let link = folder.path().join("link");
    let itself = found(&[&link, &through], &[]);
    assert_eq!(text(&below(folder.path(), &itself)), expected);
    let both = found(&[folder.path(), &through], &[]);
    let expected = ["link", "link/x", "real", "real/x", "real/y"];
    assert_eq!(text(&below(folder.path(), &both)), expected);
    assert!(
        both.iter()
            .all(|found| !matches!(found.kind, FoundKind::Symlink(_)))
    );
}

#[test]
fn pipes_are_found_and_sockets_are_not() {
    let (folder, target) = target();
    target.create_fifo(b"/pipe", false).unwrap();
    let _socket = UnixListener::bind(folder.path().join("socket")).unwrap();
    let found = found(&[folder.path()], &[]);
    assert_eq!(text(&below(folder.path(), &found)), ["pipe"]);
    assert_eq!(found.last().unwrap().kind, FoundKind::Fifo);
}

#[test]
fn devices_are_found_with_their_numbers() {
    let found = look_at(Path::new("/dev/null"));
    assert_eq!(found.kind, FoundKind::CharDevice(1 << 8 | 3));
}

#[test]
fn the_owner_comes_with_a_name() {
    let folder = tree(&["a"]);
    let metadata = look_at(&folder.path().join("a")).metadata;
    assert_eq!(metadata.uid, rustix::process::geteuid().as_raw());
    let known = uzers::get_user_by_uid(metadata.uid);
    let name = known.map(|user| user.name().to_owned()).unwrap_or_default();
    assert_eq!(metadata.user, path_bytes(Path::new(&name)));
}

#[test]
fn an_unreadable_directory_is_found_and_its_failure_follows() {
    let folder = tree(&["closed/x", "y"]);
    let closed = folder.path().join("closed");
    set_mode(&closed, 0);
    let items = scan(&[folder.path()], &[]);
    set_mode(&closed, 0o700);
    if rustix::process::geteuid().is_root() {
        return; // Nothing is unreadable.
    }
    let [.., directory, failure, after] = items.as_slice() else {
        panic!("{items:?}");
    };
    assert!(matches!(directory, ScanItem::Found(found) if found.path == path_bytes(&closed)));
    assert!(matches!(failure, ScanItem::Failed { path, .. } if *path == path_bytes(&closed)));
    assert!(matches!(after, ScanItem::Found(found) if found.path.ends_with(b"/y")));
}

#[test]
fn what_vanishes_during_a_scan_fails_and_the_rest_is_found() {
    let folder = tree(&["a", "b", "c/d"]);
    let mut scan = Scan::new(&[folder.path().to_owned()], &[]).unwrap();
    let first = scan
        .by_ref()
        .find(|item| matches!(item, ScanItem::Found(found) if found.path.ends_with(b"/a")));
    assert!(first.is_some());
    fs::remove_file(folder.path().join("b")).unwrap();
    let rest: Vec<ScanItem> = scan.by_ref().take(2).collect();
    assert!(matches!(&rest[0], ScanItem::Failed { path, error }
        if path.ends_with(b"/b") && error.kind() == std::io::ErrorKind::NotFound));
    assert!(matches!(&rest[1], ScanItem::Found(found) if found.path.ends_with(b"/c")));
    // A link to elsewhere takes the place of a directory that is about to be listed.
    fs::remove_dir_all(folder.path().join("c")).unwrap();
    symlink("/", folder.path().join("c")).unwrap();
    let rest: Vec<ScanItem> = scan.collect();
    assert!(matches!(rest.as_slice(), [ScanItem::Failed { path, .. }] if path.ends_with(b"/c")));
}
