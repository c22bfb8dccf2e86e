//! The shape of the code: which crate and module may import which, and who may touch the system.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which of our crates each may use.
const CRATES: [(&str, &[&str]); 4] = [
    ("chunker", &[]),
    ("repo", &["chunker"]),
    ("ingest", &["repo", "chunker"]),
    ("cli", &["ingest", "repo"]),
];

/// The modules of `repo` from left to right: each imports only from columns to its left.
const COLUMNS: [&[&str]; 13] = [
    &["error", "limits"],
    &["format"],
    &[
        "crypto",
        "codec",
        "parity",
        "retention",
        "sequence",
        "platform",
    ],
    &["storage"],
    &["pack"],
    &["index"],
    &["repository"],
    &["catalog"],
    &["check"],
    &["prune"],
    &["compact", "copy", "repair"],
    &["stats"],
    &["internals"],
];

/// What `repo` exports at its root, and the module that it comes from.
const EXPORTS: [(&str, &str); 4] = [
    ("Error", "error"),
    ("Result", "error"),
    ("KdfCost", "crypto"),
    ("Repository", "repository"),
];

/// Files of `repo` that read or write files: the storage, and what looks after the client's cache.
const REPO_FILES: [&str; 4] = [
    "repo/src/index/mod.rs",
    "repo/src/platform.rs",
    "repo/src/repository/snapshots.rs",
    "repo/src/storage/local.rs",
];

/// Files that another system than Unix would have to replace.
const UNIX_FILES: [&str; 13] = [
    "cli/src/commands/cat.rs",
    "cli/src/commands/demo/mod.rs",
    "cli/src/commands/find.rs",
    "cli/src/commands/restore.rs",
    "cli/src/config.rs",
    "cli/src/machine.rs",
    "cli/src/password.rs",
    "cli/src/paths.rs",
    "cli/src/input/source.rs",
    "cli/src/input/standard_input.rs",
    "ingest/src/fs/unix.rs",
    "repo/src/platform.rs",
    "repo/src/storage/local.rs",
];

const LINES_MAX: usize = 600;

#[test]
fn crates_depend_one_way() {
    for (name, allowed) in CRATES {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let lines = manifest.lines().filter(|line| !line.starts_with("name"));
        for line in lines {
            if let Some((dependency, _)) = after(line, "nightfold-").next() {
                assert!(
                    allowed.contains(&dependency),
                    "{name} depends on {dependency}"
                );
            }
        }
        for source in sources(name) {
            for (used, _) in after(&source.code, "nightfold_") {
                let path = &source.path;
                assert!(allowed.contains(&used), "{path} imports {used}");
            }
        }
    }
}

#[test]
fn modules_of_the_repository_import_only_from_the_left() {
    for source in sources("repo") {
        let inner = source.path.strip_prefix("repo/src/").unwrap();
        let module = inner.split(['/', '.']).next().unwrap();
        if module == "lib" {
            continue;
        }
        let column = column_of(module);
        assert!(column.is_some(), "{module} has no column in this test");
        for import in source.imports() {
            let allowed = import == module || column_of(&import) < column;
            let path = &source.path;
            assert!(allowed, "{path} imports {import}, which is not to its left");
        }
    }
}

#[test]
fn only_the_storage_and_the_cache_touch_files() {
    let system = ["std::fs", "std::net", "std::process", "std::env", "std::os"];
    let found = files_with("repo", &system);
    assert_eq!(found, BTreeSet::from(REPO_FILES.map(str::to_owned)));
}

#[test]
fn the_chunker_touches_nothing() {
    let system = ["std::fs", "std::net", "std::process", "std::env", "std::os"];
    assert!(files_with("chunker", &system).is_empty());
}

#[test]
fn what_only_unix_offers_is_in_few_files() {
    let unix = [
        "std::os::unix",
        "std::os::fd",
        "rustix::",
        "libc::",
        "nix::",
    ];
    let found: BTreeSet<_> = CRATES
        .iter()
        .flat_map(|(name, _)| files_with(name, &unix))
        .collect();
    assert_eq!(found, BTreeSet::from(UNIX_FILES.map(str::to_owned)));
}

#[test]
fn libraries_are_silent() {
    let prints = [
        "println!",
        "eprintln!",
        "print!",
        "eprint!",
        "std::io::stdout",
        "io::stderr",
        "dbg!",
    ];
    for name in ["chunker", "repo", "ingest"] {
        let found = files_with(name, &prints);
        assert!(found.is_empty(), "{found:?} print");
    }
}

#[test]
fn files_are_short() {
    for name in ["chunker", "repo", "ingest", "cli", "benches", "tests"] {
        for path in rust_files(&root().join(name)) {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            let path = path.display();
            assert!(lines <= LINES_MAX, "{path} has {lines} lines");
        }
    }
}

/// A source file without its comments and its tests.
struct SourceFile {
    /// From the root of the workspace.
    path: String,
    code: String,
}

impl SourceFile {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        // Unit tests stand at the end and may use what they like.
        let code = text.split("#[cfg(test)]").next().unwrap();
        let lines = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        Self {
            path: path.strip_prefix(root()).unwrap().display().to_string(),
            code: lines.collect::<Vec<_>>().join("\n"),
        }
    }

    /// Whether it holds this, or imports it as in `use std::{fs, io}`.
    fn uses(&self, text: &str) -> bool {
        let grouped = text.strip_prefix("std::").is_some_and(|wanted| {
            after(&self.code, "std::")
                .filter_map(|(_, rest)| rest.strip_prefix('{'))
                .any(|group| first_names(group).iter().any(|name| name == wanted))
        });
        grouped || after(&self.code, text).next().is_some()
    }

    /// Modules at the root of this crate that it names.
    fn imports(&self) -> BTreeSet<String> {
        let is_module_itself =
            self.path.matches('/').count() == 2 || self.path.ends_with("/mod.rs");
        let mut prefixes = vec!["crate::", "super::super::"];
        if is_module_itself {
            prefixes.push("super::");
        }
        let mut names = BTreeSet::new();
        for prefix in prefixes {
            for (name, rest) in after(&self.code, prefix) {
                if let Some(group) = rest.strip_prefix('{').filter(|_| name.is_empty()) {
                    names.extend(first_names(group));
                } else if !["super", ""].contains(&name) {
                    names.insert(name.to_owned());
                }
            }
        }
        names.into_iter().map(|name| module_of(&name)).collect()
    }
}

fn module_of(name: &str) -> String {
    let export = EXPORTS.iter().find(|(export, _)| *export == name);
    export.map_or(name, |(_, module)| module).to_owned()
}

/// The first component of every path in `{a::b, c, d::{e, f}}`, given what follows its first brace.
fn first_names(group: &str) -> Vec<String> {
    let (mut names, mut name, mut depth, mut in_first) = (Vec::new(), String::new(), 0, true);
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(std::mem::take(&mut name));
                in_first = true;
            }
            _ if !is_part_of_name(character) && !name.is_empty() => in_first = false,
            _ if is_part_of_name(character) && in_first => name.push(character),
            _ => {}
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

fn column_of(module: &str) -> Option<usize> {
    COLUMNS.iter().position(|column| column.contains(&module))
}

/// The name that follows each occurrence of `prefix` as a whole word, and what comes after that name.
fn after<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = (&'t str, &'t str)> {
    let places = text.match_indices(prefix);
    let places = places.filter(|(at, _)| !text[..*at].ends_with(is_part_of_name));
    places.map(|(at, _)| {
        let rest = &text[at + prefix.len()..];
        let end = rest.find(|c| !is_part_of_name(c)).unwrap_or(rest.len());
        rest.split_at(end)
    })
}

fn is_part_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn files_with(name: &str, texts: &[&str]) -> BTreeSet<String> {
    let sources = sources(name).into_iter();
    let found = sources.filter(|source| texts.iter().any(|text| source.uses(text)));
    found.map(|source| source.path).collect()
}

/// The code of a crate, without files that hold nothing but tests.
fn sources(name: &str) -> Vec<SourceFile> {
    let files = rust_files(&root().join(name).join("src")).into_iter();
    let is_test = |path: &PathBuf| {
        let inner = path.strip_prefix(root()).unwrap();
        let mut parts = inner.iter().map(|part| part.to_str().unwrap());
        parts.any(|part| part == "tests" || part == "tests.rs")
    };
    let files = files.filter(|path| !is_test(path));
    files.map(|path| SourceFile::read(&path)).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}

#[test]
fn imports_are_understood() {
    let source = SourceFile {
        path: "repo/src/pack/mod.rs".to_owned(),
        code: "use crate::{error::{Error, io}, format, Repository as R};\n\
               use crate::codec::{self, decode};\nuse super::index;\nuse std::{env, fs::File};\nuse rustix::io;\nlet x = crate::check::run();"
            .to_owned(),
    };
    assert!(source.uses("std::fs") && source.uses("rustix::") && !source.uses("std::io"));
    let imports: Vec<_> = source.imports().into_iter().collect();
    let expected = ["check", "codec", "error", "format", "index", "repository"];
    assert_eq!(imports, expected);
}
