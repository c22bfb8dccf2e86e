//! Frames that do not hold what the directory says.

use super::forge::{Forge, noise};
use crate::check::{CheckOptions, ReadData};
use crate::format::Content;
use crate::format::StreamKind::Data;
use crate::pack::NewFrame;
use crate::repository::{ChunkInput, RunWriter, WriteOptions};

#[test]
fn a_chunk_under_the_name_of_another_is_found() {
    let forge = Forge::new();
    let (chunk, other) = (noise(1, 500), noise(2, 500));
    let forged = NewFrame {
        id: forge.id(&chunk),
        ..forge.whole(&other)
    };
    let pack = forge.pack(Data, &[forged]);
    forge.snapshot_of(&[("/db/a\nb", forge.content(&[&chunk]))]);
    assert_eq!(forge.problems(false), Vec::<String>::new());
    let problems = forge.problems(true);
    let damage = problems.iter().find(|p| p.starts_with(&pack.to_string()));
    let damage = damage.unwrap();
    assert!(damage.contains("frame 0"), "{damage}");
    assert!(damage.contains(&forge.id(&chunk).to_string()), "{damage}");
    assert!(damage.contains("/db/a\\x0ab (in 1 snapshot: "), "{damage}");
    assert!(problems.iter().any(|p| p.starts_with("snapshots/")));
    let read = forge.repository.read_chunk(forge.id(&chunk));
    assert!(read.is_err(), "wrong bytes");
}

#[test]
fn a_wrong_length_is_found() {
    for wrong in [0, 499, 501, 1 << 20] {
        for chunk in [noise(1, 500), vec![7; 500]] {
            let forge = Forge::new();
            let frame = NewFrame {
                raw_bytes: wrong,
                ..forge.whole(&chunk)
            };
            let pack = forge.pack(Data, &[frame]).to_string();
            forge.snapshot_of(&[("/a", forge.content(&[&chunk]))]);
            // The structure tells of a file that is longer or shorter than its chunks.
            let problems = forge.problems(false);
            assert!(problems.iter().any(|p| p.contains("/a")), "{problems:?}");
            let problems = forge.problems(true);
            assert!(
                problems.iter().any(|p| p.starts_with(&pack)),
                "{problems:?}"
            );
            assert!(forge.repository.read_chunk(forge.id(&chunk)).is_err());
        }
    }
}

#[test]
fn a_damaged_copy_is_a_problem_even_if_another_is_intact() {
    let forge = Forge::new();
    let (chunk, other) = (noise(1, 500), noise(2, 500));
    let forged = NewFrame {
        id: forge.id(&chunk),
        ..forge.whole(&other)
    };
    // On either side, so that whichever is tried first is the damaged one in one of the packs.
    let packs = [
        forge.pack(Data, &[forged]),
        forge.pack(Data, &[forge.whole(&chunk)]),
    ];
    forge.snapshot_of(&[("/a", forge.content(&[&chunk]))]);
    let problems = forge.problems(true);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with(&packs[0].to_string()));
    assert!(
        problems[0].contains("another copy is intact"),
        "{problems:?}"
    );
    let read = forge.repository.read_chunk(forge.id(&chunk)).unwrap();
    assert_eq!(read, chunk);
}

#[test]
fn what_rests_on_a_damaged_base_is_named() {
    let forge = Forge::new();
    let base = noise(1, 500);
    let mut middle = base.clone();
    middle[0] ^= 1;
    let mut top = middle.clone();
    top[1] ^= 1;
    let untouched = noise(3, 100);
    let forged = NewFrame {
        id: forge.id(&base),
        ..forge.whole(&noise(2, 500))
    };
    let pack = forge.pack(
        Data,
        &[
            forge.delta(&top, &middle, 2),
            forged,
            forge.delta(&middle, &base, 1),
            forge.whole(&untouched),
        ],
    );
    let files = [
        ("/base", forge.content(&[&base])),
        ("/fine", forge.content(&[&untouched])),
        ("/top", forge.content(&[&untouched, &top, &top])),
    ];
    forge.snapshot_of(&files);
    forge.snapshot_of(&files[1..]);
    let problems = forge.problems(true);
    let damage: Vec<_> = problems.iter().filter(|p| p.starts_with("packs")).collect();
    assert_eq!(damage.len(), 1, "{problems:?}");
    assert!(damage[0].starts_with(&pack.to_string()));
    assert!(damage[0].contains("frame 1,"), "{damage:?}");
    assert!(
        damage[0].contains("/base, /top, /top (in 2 snapshots: "),
        "{damage:?}"
    );
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(!problems.iter().any(|p| p.contains("/fine")));
}

#[test]
fn damage_that_no_snapshot_needs_is_still_told() {
    let forge = Forge::new();
    let mut damaged = forge.whole(&noise(1, 500));
    damaged.payload[0] ^= 1;
    forge.pack(Data, &[damaged]);
    let problems = forge.problems(true);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("no snapshot needs it"), "{problems:?}");
}

#[test]
fn of_many_damaged_frames_the_first_are_told_and_the_rest_counted() {
    let forge = Forge::new();
    let frames: Vec<NewFrame> = (0..25)
        .map(|seed| {
            let mut frame = forge.whole(&noise(seed, 200));
            frame.payload[0] ^= 1;
            frame
        })
        .collect();
    forge.pack(Data, &frames);
    let problems = forge.problems(true);
    assert_eq!(problems.len(), 11, "{problems:?}");
    assert!(problems[10].contains("15 more"), "{problems:?}");
}

#[test]
fn a_base_with_an_intact_copy_serves_its_deltas() {
    let forge = Forge::new();
    let base = noise(1, 500);
    let mut top = base.clone();
    top[1] ^= 1;
    let forged = || NewFrame {
        id: forge.id(&base),
        ..forge.whole(&noise(2, 500))
    };
    forge.pack(Data, &[forged(), forge.delta(&top, &base, 1)]);
    forge.pack(Data, &[forge.whole(&base)]);
    forge.pack(Data, &[forged()]);
    forge.snapshot_of(&[("/top", forge.content(&[&top]))]);
    let problems = forge.problems(true);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems
            .iter()
            .all(|p| p.contains("another copy is intact"))
    );
    assert_eq!(forge.repository.read_chunk(forge.id(&top)).unwrap(), top);
}

/// The new version must rank above a frame of its base that can be read, not above one that cannot.
#[test]
fn a_new_version_rests_on_no_frame_that_is_damaged() {
    let forge = Forge::new();
    let (old, base) = (noise(1, 500), {
        let mut base = noise(1, 500);
        base[9] ^= 1;
        base
    });
    // The base: whole, but damaged; and as a delta, sound.
    let damaged = NewFrame {
        id: forge.id(&base),
        ..forge.whole(&noise(2, 500))
    };
    forge.pack(Data, &[forge.whole(&old)]);
    forge.pack(Data, &[damaged]);
    forge.pack(Data, &[forge.delta(&base, &old, 1)]);
    let mut new = base.clone();
    new[300] ^= 1;
    let track = forge.repository.track(&forge.content(&[&base])).unwrap();
    let mut writer = RunWriter::start(&forge.repository, WriteOptions::default()).unwrap();
    let chunk = ChunkInput {
        bytes: &new,
        samples: None,
        track: Some((&track, 0)),
    };
    writer.store(Data, &[chunk]).unwrap();
    writer.flush().unwrap();
    assert_eq!(forge.repository.read_chunk(forge.id(&new)).unwrap(), new);
}

#[test]
fn a_forged_size_of_the_previous_content_is_only_a_bad_guess() {
    let forge = Forge::new();
    let old = noise(1, 500);
    forge.pack(Data, &[forge.whole(&old)]);
    for size in [u64::MAX, u64::MAX - 20, 1 << 63, 0] {
        let previous = Content::Chunks {
            size,
            depth: 0,
            ids: vec![forge.id(&old)],
        };
        let track = forge.repository.track(&previous).unwrap();
        let mut writer = RunWriter::start(&forge.repository, WriteOptions::default()).unwrap();
        let mut new = noise((size >> 60) as u8 | size as u8 & 15 | 2, 400);
        new.extend_from_slice(&old);
        for at in [0, 450, u64::MAX / 2] {
            let chunk = ChunkInput {
                bytes: &new[at as usize % 2..],
                samples: None,
                track: Some((&track, at)),
            };
            writer.store(Data, &[chunk]).unwrap();
        }
        writer.flush().unwrap();
        assert_eq!(forge.repository.read_chunk(forge.id(&new)).unwrap(), new);
    }
}

#[test]
fn deltas_whose_first_base_fails_are_read_all_the_same() {
    let base = noise(1, 500);
    let mut top = base.clone();
    top[1] ^= 1;
    // Without any base: its seal is opened. With another copy of it: the chunk is decoded.
    for with_copy in [false, true] {
        let forge = Forge::new();
        let damaged_base = NewFrame {
            id: forge.id(&base),
            ..forge.whole(&noise(2, 500))
        };
        let delta = NewFrame {
            id: forge.id(&noise(3, 500)),
            ..forge.delta(&top, &base, 1)
        };
        let pack = forge.pack(Data, &[delta]);
        forge.pack(Data, &[damaged_base]);
        if with_copy {
            forge.pack(Data, &[forge.whole(&base)]);
        } else {
            // Within the sealed frame.
            let mut objects = forge.storage.objects();
            objects.get_mut(&pack).unwrap()[crate::format::HEADER_BYTES + 5] ^= 1;
        }
        let problems = forge.problems(true);
        assert_eq!(problems.len(), 2, "{problems:?}");
        let of_delta = problems.iter().filter(|p| p.starts_with(&pack.to_string()));
        assert_eq!(of_delta.count(), 1, "{problems:?}");
    }
}

#[test]
fn progress_ends_at_all() {
    use std::sync::Mutex;
    let forge = Forge::new();
    let base = noise(1, 500);
    let mut top = base.clone();
    top[1] ^= 1;
    forge.pack(Data, &[forge.whole(&base), forge.delta(&top, &base, 1)]);
    let unread = forge.pack(Data, &[forge.whole(&noise(2, 300))]);
    forge.snapshot_of(&[("/top", forge.content(&[&top]))]);
    forge.storage.objects().get_mut(&unread).unwrap()[3] ^= 1;
    for read_data in [false, true] {
        let last = Mutex::new((0u64, 0u64));
        let progress = |done: u64, total: u64| {
            let mut last = last.lock().unwrap();
            assert!(done <= total);
            last.0 = done.max(last.0);
            last.1 = total;
        };
        let options = CheckOptions {
            read_data: if read_data {
                ReadData::All
            } else {
                ReadData::None
            },
        };
        let report = forge.repository.check(&options, &progress).unwrap();
        let (done, total) = *last.lock().unwrap();
        assert!(total > 0);
        assert_eq!(done, total, "read_data: {read_data}");
        assert_eq!((report.packs, report.snapshots, report.chunks), (3, 1, 3));
        assert!(report.bytes_read > 0);
    }
}
