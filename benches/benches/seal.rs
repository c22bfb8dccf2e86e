//! Sealing and opening frames, one core.
#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on shall panic")]

mod common;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nightfold_repo::internals::BareSeal;

fn seal(criterion: &mut Criterion) {
    let seal = BareSeal::new().unwrap();
    // A delta, and a whole chunk.
    for bytes in [2 << 10, 64 << 10] {
        let frame = common::rows(bytes, 0);
        let mut sealed = frame.clone();
        seal.seal(0, &mut sealed).unwrap();
        for (name, input) in [("seal", &frame), ("open", &sealed)] {
            let mut group = criterion.benchmark_group(name);
            group.throughput(Throughput::Bytes(bytes as u64));
            group.bench_with_input(BenchmarkId::from_parameter(bytes), input, |bench, input| {
                let copy = || input.clone();
                if name == "seal" {
                    let seal = |mut frame| seal.seal(0, &mut frame).map(|()| frame).unwrap();
                    bench.iter_batched(copy, seal, BatchSize::SmallInput);
                } else {
                    let open = |mut frame: Vec<u8>| seal.open(0, &mut frame).unwrap();
                    bench.iter_batched(copy, open, BatchSize::SmallInput);
                }
            });
            group.finish();
        }
    }
}

criterion_group!(benches, seal);
criterion_main!(benches);
