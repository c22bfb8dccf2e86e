use super::*;

fn left(names: &[&str], excludes: &[&str]) -> Vec<String> {
    let folder = tree(names);
    let here = folder.path().to_str().unwrap();
    let excludes: Vec<String> = excludes
        .iter()
        .map(|pattern| pattern.replace("HERE", here))
        .collect();
    let excludes: Vec<&str> = excludes.iter().map(String::as_str).collect();
    text(&below(folder.path(), &found(&[folder.path()], &excludes)))
}

#[test]
fn a_pattern_without_a_leading_slash_matches_at_any_depth() {
    let names = ["a.tmp", "b/c.tmp", "b/c.txt", "c.tmp.x"];
    assert_eq!(left(&names, &["*.tmp"]), ["b", "b/c.txt", "c.tmp.x"]);
    let names = ["x/a/b/y", "a/b/y", "a/c/b/y"];
    assert_eq!(
        left(&names, &["a/b"]),
        ["a", "a/c", "a/c/b", "a/c/b/y", "x", "x/a"]
    );
}

#[test]
fn a_pattern_with_a_leading_slash_matches_the_whole_path() {
    let names = ["log/a", "b/log/a"];
    assert_eq!(
        left(&names, &["/log"]),
        ["b", "b/log", "b/log/a", "log", "log/a"]
    );
    assert_eq!(left(&names, &["HERE/log"]), ["b", "b/log", "b/log/a"]);
    assert_eq!(
        left(&names, &["HERE/*/a"]),
        ["b", "b/log", "b/log/a", "log"]
    );
    assert_eq!(left(&names, &["HERE/**/a"]), ["b", "b/log", "log"]);
}

#[test]
fn a_trailing_slash_means_directories() {
    let names = ["cache/x", "a/cache/y", "b/cache"];
    assert_eq!(left(&names, &["cache/"]), ["a", "b", "b/cache"]);
    assert_eq!(left(&names, &["cache"]), ["a", "b"]);
}

#[test]
fn a_link_to_a_directory_is_not_a_directory() {
    let folder = tree(&["a/b"]);
    std::os::unix::fs::symlink("a", folder.path().join("cache")).unwrap();
    let found = found(&[folder.path()], &["cache/"]);
    assert_eq!(text(&below(folder.path(), &found)), ["a", "a/b", "cache"]);
}

#[test]
fn a_later_pattern_takes_back_an_earlier_one() {
    let names = ["a.log", "keep.log"];
    assert_eq!(left(&names, &["*.log", "!keep.log"]), ["keep.log"]);
    assert_eq!(left(&names, &["!keep.log", "*.log"]), [""; 0]);
}

#[test]
fn names_that_are_not_text_are_matched() {
    let folder = tree(&["dump\n.tmp"]);
    std::fs::write(folder.path().join(as_path(b"\xff\xfe.tmp")), "").unwrap();
    std::fs::write(folder.path().join(as_path(b"\xff\xfe.sql")), "").unwrap();
    let found = found(&[folder.path()], &["*.tmp"]);
    assert_eq!(below(folder.path(), &found), [b"\xff\xfe.sql"]);
}

#[test]
fn an_excluded_directory_is_not_read() {
    let folder = tree(&["closed/x", "y"]);
    let closed = folder.path().join("closed");
    set_mode(&closed, 0);
    // `found` fails on a failure.
    let found = found(&[folder.path()], &["closed"]);
    set_mode(&closed, 0o700);
    assert_eq!(text(&below(folder.path(), &found)), ["y"]);
}

#[test]
fn what_leads_to_a_root_is_not_asked_and_the_root_is() {
    let folder = tree(&["backup/a.sql", "backup/b.tmp"]);
    let at = |name: &str| folder.path().join(name);
    let (sql, tmp) = (at("backup/a.sql"), at("backup/b.tmp"));
    let found = found(&[&sql, &tmp], &["backup", "*.tmp"]);
    assert_eq!(
        text(&below(folder.path(), &found)),
        ["backup", "backup/a.sql"]
    );
}

#[test]
fn leaving_out_everything_is_an_error() {
    let folder = tree(&["backup/a"]);
    let roots = [folder.path().join("backup")];
    let result = Scan::new(&roots, &["backup".to_owned()]);
    assert!(matches!(result, Err(ScanError::AllExcluded)));
}

#[test]
fn a_bad_pattern_is_named() {
    for pattern in ["[a", "", "/", "!"] {
        let Err(error) = Scan::new(&[], &["ok".to_owned(), pattern.to_owned()]) else {
            panic!("{pattern:?} was taken");
        };
        assert!(
            error.to_string().contains(&format!("{pattern:?}")),
            "{error}"
        );
    }
}
