//! Prints how fast one core scans and cuts, names and sketches, and all cores scan and cut, in GB/s (10⁹ bytes).

use std::hint::black_box;
use std::time::{Duration, Instant};

use nightfold_chunker::{Buffers, ChunkSizes, ChunkStream, Cutter, IdKey, Sketcher};

const INPUT_BYTES: usize = 256 << 20;

fn main() {
    let data = rows(INPUT_BYTES);
    let cutter = Cutter::new(&[1; 32], ChunkSizes::default());
    let ids = IdKey::new(&[2; 32]);
    let sketcher = Sketcher::new(&[1; 32]);

    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    if let Ok(one_core) = one_core {
        measure("cut", || {
            one_core.install(|| black_box(cutter.cut_all(black_box(&data), true)));
        });
    }
    measure("cut, all cores", || {
        black_box(cutter.cut_all(black_box(&data), true));
    });
    measure("id", || {
        for chunk in data.chunks(256 << 10) {
            black_box(ids.id(black_box(chunk)));
        }
    });
    let window = ChunkStream::new(cutter, &data[..], data.len(), &Buffers::new(0)).next_window();
    if let Ok(Some(window)) = window {
        measure("sketch", || {
            for chunk in window.chunks() {
                black_box(sketcher.sketch(black_box(chunk.bytes), chunk.samples));
            }
        });
    }
    measure("scan and sketch", || {
        for chunk in data.chunks(256 << 10) {
            black_box(sketcher.sketch(black_box(chunk), None));
        }
    });
}

/// The best of seven runs over the whole input.
fn measure(what: &str, run: impl Fn()) {
    let best = (0..7)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .min()
        .unwrap_or(Duration::MAX);
    let speed = INPUT_BYTES as f64 / best.as_secs_f64() / 1e9;
    println!("{what:>16} {speed:6.2} GB/s");
}

/// Text like that of a dump: numbered rows of a few words and numbers.
fn rows(bytes: usize) -> Vec<u8> {
    const WORDS: [&str; 8] = [
        "paid",
        "open",
        "Berlin",
        "Kyoto",
        "2026-11-20",
        "a note",
        "\\N",
        "t",
    ];
    let mut text = String::with_capacity(bytes + 256);
    let mut state = 1_u64;
    for row in 0_u64.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(&row.to_string());
        for _ in 0..9 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push('\t');
            text.push_str(WORDS[(state >> 61) as usize]);
            text.push_str(&(state >> 40).to_string());
        }
        text.push('\n');
    }
    let mut data = text.into_bytes();
    data.truncate(bytes);
    data
}
