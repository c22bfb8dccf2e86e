//! File lists and recipes.

use super::forge::{Forge, entry, list, noise};
use crate::format::StreamKind::{Data, Meta};
use crate::format::{Content, Node};

fn small(text: &str) -> Content {
    Content::Inline(text.as_bytes().to_vec())
}

/// What a check says of a snapshot with this file list.
fn said_of(stream: &[u8]) -> String {
    let forge = Forge::new();
    forge.snapshot_of_list(stream);
    let problems = forge.problems(false);
    assert_eq!(problems, forge.problems(true));
    assert!(problems.iter().all(|p| p.starts_with("snapshots/")));
    problems.join("\n")
}

#[test]
fn lists_in_order_are_sound() {
    let files = [
        ("/a", small("1")),
        ("/a/b", small("2")),
        ("/a-b", small("3")),
    ];
    assert_eq!(said_of(&list(&files)), "");
    assert_eq!(said_of(&list(&[])), "");
}

#[test]
fn paths_must_ascend() {
    for paths in [["/b", "/a"], ["/a", "/a"], ["/a-b", "/a/b"]] {
        let files = paths.map(|path| (path, small("x")));
        let said = said_of(&list(&files));
        assert!(said.contains("does not come after"), "{paths:?}: {said}");
    }
}

#[test]
fn a_link_must_follow_its_file() {
    let mut stream = list(&[("/a", small("1"))]);
    entry("/b", Node::Hardlink(b"/a".to_vec())).encode(&mut stream);
    assert_eq!(said_of(&stream), "");
    entry("/c", Node::Hardlink(b"/d".to_vec())).encode(&mut stream);
    assert!(said_of(&stream).contains("/c"));
}

#[test]
fn a_list_that_ends_within_an_entry_is_told() {
    let stream = list(&[("/a", small("1")), ("/b", small("2"))]);
    let said = said_of(&stream[..stream.len() - 1]);
    assert!(said.contains("ends within"), "{said}");
}

#[test]
fn a_list_of_junk_is_told() {
    let said = said_of(&[3, 1, 2, 3]);
    assert!(said.contains("malformed"), "{said}");
    let said = said_of(&[0xff; 64]);
    assert!(said.contains("malformed"), "{said}");
}

#[test]
fn a_file_must_be_as_long_as_its_chunks() {
    for size in [0, 499, 501, u64::MAX] {
        let forge = Forge::new();
        let chunk = noise(1, 500);
        forge.pack(Data, &[forge.whole(&chunk)]);
        let content = Content::Chunks {
            size,
            depth: 0,
            ids: vec![forge.id(&chunk)],
        };
        forge.snapshot_of(&[("/a", content)]);
        let problems = forge.problems(false);
        assert!(problems[0].contains("/a"), "{problems:?}");
        assert!(problems[0].contains("500 bytes"), "{problems:?}");
    }
}

/// A file of `count` chunks whose ids lie in a recipe, which may be cut short.
fn with_recipe(count: u8, depth: u8, cut: usize) -> (Forge, Content) {
    let forge = Forge::new();
    let chunks: Vec<Vec<u8>> = (0..count).map(|seed| noise(seed, 100)).collect();
    let frames: Vec<_> = chunks.iter().map(|chunk| forge.whole(chunk)).collect();
    forge.pack(Data, &frames);
    let mut ids: Vec<_> = chunks.iter().map(|chunk| forge.id(chunk)).collect();
    for _ in 0..depth {
        let mut recipe: Vec<u8> = ids.iter().flat_map(|id| id.0).collect();
        recipe.truncate(recipe.len() - cut);
        // Cut within an id, as chunks of a recipe are.
        let (a, b) = recipe.split_at(recipe.len() / 2 + 3);
        forge.pack(Meta, &[forge.whole(a), forge.whole(b)]);
        ids = vec![forge.id(a), forge.id(b)];
    }
    let content = Content::Chunks {
        size: u64::from(count) * 100,
        depth,
        ids,
    };
    (forge, content)
}

#[test]
fn recipes_of_any_depth_are_followed() {
    for depth in 0..=8 {
        let (forge, content) = with_recipe(6, depth, 0);
        forge.snapshot_of(&[("/a", content.clone()), ("/b", content)]);
        let report = forge.check(true);
        assert_eq!(report.problems, [], "depth {depth}");
        assert_eq!(report.notes, Vec::<String>::new(), "depth {depth}");
    }
}

#[test]
fn a_recipe_of_parts_of_ids_is_told() {
    let (forge, content) = with_recipe(6, 1, 3);
    assert!(forge.repository.content_ids(&content).is_err());
    forge.snapshot_of(&[("/a", content)]);
    let problems = forge.problems(false);
    assert!(problems[0].contains("/a"), "{problems:?}");
    assert!(problems[0].contains("whole chunk ids"), "{problems:?}");
}

#[test]
fn a_recipe_that_lacks_ids_is_told() {
    let (forge, content) = with_recipe(6, 1, 20);
    forge.snapshot_of(&[("/a", content)]);
    let problems = forge.problems(false);
    assert!(
        problems[0].contains("500 bytes, but it has 600"),
        "{problems:?}"
    );
}

#[test]
fn a_recipe_that_unfolds_to_more_than_its_file_is_told() {
    let forge = Forge::new();
    // Each level multiplies by fifty: eight of them would fill any memory.
    let mut chunk = noise(1, 100);
    let mut ids = vec![forge.id(&chunk)];
    forge.pack(Data, &[forge.whole(&chunk)]);
    for _ in 0..8 {
        chunk = forge.id(&chunk).0.repeat(50);
        forge.pack(Meta, &[forge.whole(&chunk)]);
        ids = vec![forge.id(&chunk); 16];
    }
    let content = Content::Chunks {
        size: 100_000,
        depth: 8,
        ids,
    };
    assert!(forge.repository.content_ids(&content).is_err());
    forge.snapshot_of(&[("/bomb", content)]);
    let problems = forge.problems(false);
    assert!(problems[0].contains("/bomb"), "{problems:?}");
    assert!(problems[0].contains("more chunks than"), "{problems:?}");
}

#[test]
fn lost_chunks_of_contents_and_recipes_are_told_by_path() {
    use crate::format::ObjectName;
    use crate::storage::Storage as _;
    let (forge, content) = with_recipe(6, 2, 0);
    let packs: Vec<ObjectName> = {
        let objects = forge.storage.objects();
        let packs = objects
            .keys()
            .filter(|name| name.path().starts_with("packs"));
        packs.copied().collect()
    };
    let files = [("/fine", small("1")), ("/rows", content)];
    let first = forge.snapshot_of(&files);
    let second = forge.snapshot_of(&files);
    assert_eq!(packs.len(), 3);
    for pack in packs {
        let copy = Forge::open(forge.storage.fork());
        copy.storage.delete(pack).unwrap();
        let problems = copy.problems(false);
        assert_eq!(problems.len(), 2, "{problems:?}");
        for (problem, stored) in problems.iter().zip([&first, &second]) {
            assert!(problem.starts_with(&format!("snapshots/{}", stored.id)));
            assert!(
                problem.contains("1 file cannot be restored: /rows;"),
                "{problem}"
            );
            assert!(problem.contains("in no readable pack"), "{problem}");
        }
    }
}

#[test]
fn of_many_lost_files_the_first_are_named_and_the_rest_counted() {
    let forge = Forge::new();
    let lost = forge.content(&[&noise(1, 500)]);
    let paths: Vec<String> = (0..9).map(|at| format!("/file {at}")).collect();
    let files: Vec<_> = paths
        .iter()
        .map(|path| (path.as_str(), lost.clone()))
        .collect();
    forge.snapshot_of(&files);
    let problems = forge.problems(false);
    assert!(
        problems[0].contains("9 files cannot be restored: /file 0, /file 1, /file 2 and 6 more"),
        "{problems:?}"
    );
}
