//! Encoding and decoding of chunks of 256 KiB, one core. Encoding includes the decoding that verifies it.
#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on shall panic")]

mod common;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nightfold_repo::internals::{LEVEL, decode_chain, encode_delta, encode_whole};

use common::{CHUNK_BYTES, mix, pages, rows};

fn encode(criterion: &mut Criterion) {
    let base = rows(CHUNK_BYTES, 0);
    let chunk = rows(CHUNK_BYTES, 1);
    let noise: Vec<u8> = (0..CHUNK_BYTES as u64).map(|at| mix(at) as u8).collect();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Bytes(CHUNK_BYTES as u64));
    group.bench_function("whole: rows as columns", |bench| {
        bench.iter(|| encode_whole(black_box(&chunk), LEVEL).unwrap());
    });
    let pages = pages(CHUNK_BYTES);
    group.bench_function("whole: zstd", |bench| {
        bench.iter(|| encode_whole(black_box(&pages), LEVEL).unwrap());
    });
    group.bench_function("whole: stored", |bench| {
        bench.iter(|| encode_whole(black_box(&noise), LEVEL).unwrap());
    });
    group.bench_function("patch", |bench| {
        bench.iter(|| encode_delta(black_box(&chunk), &base, LEVEL).unwrap());
    });
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let nights: Vec<_> = (0..=16).map(|night| rows(CHUNK_BYTES, night)).collect();
    let mut chain = vec![encode_whole(&nights[0], LEVEL).unwrap()];
    let columns = nightfold_repo::format::CodecKind::Columns;
    assert_eq!(chain[0].codec, columns, "what the chain starts with");
    for pair in nights.windows(2) {
        chain.push(encode_delta(&pair[1], &pair[0], LEVEL).unwrap());
    }
    let lengths = vec![CHUNK_BYTES; chain.len()];
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(CHUNK_BYTES as u64));
    for depth in [0, 1, 2, 4, 8, 16] {
        let id = BenchmarkId::new("chain", depth);
        group.bench_with_input(id, &depth, |bench, depth| {
            bench.iter(|| decode_chain(black_box(&chain[..=*depth]), &lengths).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
