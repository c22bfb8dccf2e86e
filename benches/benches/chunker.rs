//! Cutting, naming and sketching, one core.
#![allow(missing_docs, reason = "criterion's macros make public items")]

mod common;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nightfold_chunker::{Buffers, ChunkSizes, ChunkStream, Cutter, IdKey, Sketcher};

const SECRET: [u8; 32] = [7; 32];

fn chunker(criterion: &mut Criterion) {
    let window = common::rows(8 << 20, 0);
    let cutter = Cutter::new(&SECRET, ChunkSizes::default());
    let mut group = criterion.benchmark_group("cut");
    group.throughput(Throughput::Bytes(window.len() as u64));
    for (name, threads) in [("8 MiB", 1), ("8 MiB, all cores", 0)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        if let Ok(pool) = pool {
            group.bench_function(name, |bench| {
                pool.install(|| bench.iter(|| cutter.cut_all(black_box(&window), true)));
            });
        }
    }
    group.finish();

    let chunk = &window[..common::CHUNK_BYTES];
    let mut group = criterion.benchmark_group("chunk of 256 KiB");
    group.throughput(Throughput::Bytes(chunk.len() as u64));
    let ids = IdKey::new(&SECRET);
    group.bench_function("id", |bench| bench.iter(|| ids.id(black_box(chunk))));
    let sketcher = Sketcher::new(&SECRET);
    group.bench_function("scan and sketch", |bench| {
        bench.iter(|| sketcher.sketch(black_box(chunk), None));
    });
    let scanned =
        ChunkStream::new(cutter, &window[..], window.len(), &Buffers::new(0)).next_window();
    if let Ok(Some(scanned)) = scanned
        && let Some(chunk) = scanned.chunks().next()
    {
        group.throughput(Throughput::Bytes(chunk.bytes.len() as u64));
        group.bench_function("sketch", |bench| {
            bench.iter(|| sketcher.sketch(black_box(chunk.bytes), black_box(chunk.samples)));
        });
    }
    group.finish();
}

criterion_group!(benches, chunker);
criterion_main!(benches);
