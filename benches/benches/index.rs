//! Questions to an index of 200 000 chunks, one core; `nightfold-benches index` measures larger ones.
#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on shall panic")]

#[path = "../src/index_model.rs"]
#[allow(dead_code, reason = "shared with the simulation, which asks for more")]
mod index_model;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nightfold_repo::internals::BareIndex;

use index_model::{Model, mix};

const CHUNKS: u64 = 200_000;
const PACK: u64 = 1000;
/// Chunks of a restored part, and of a batch that a backup asks about.
const PLANNED: u64 = 1000;
const ASKED: u64 = 100;

fn index(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let index = BareIndex::open(&folder.path().join("index.sqlite")).unwrap();
    let model = Model::new(CHUNKS, PACK);
    index
        .fill((0..model.packs()).map(|pack| model.pack(pack)))
        .unwrap();
    let mut random = 0;
    let mut next = move || {
        random = mix(random);
        random >> 2
    };

    let mut group = criterion.benchmark_group("index");
    group.throughput(Throughput::Elements(1));
    group.bench_function("lookup, present", |bench| {
        bench.iter(|| index.frames(Model::id(next() % CHUNKS)).unwrap());
    });
    group.bench_function("lookup, absent", |bench| {
        bench.iter(|| index.frames(Model::id(next() | 1 << 62)).unwrap());
    });
    group.bench_function("base lookup (similar)", |bench| {
        bench.iter(|| {
            let sketch = model.sketch_of(model.random_delta(next()));
            index.similar(&sketch).unwrap()
        });
    });
    group.throughput(Throughput::Elements(ASKED));
    group.bench_function("batch of lookups, present", |bench| {
        bench.iter(|| {
            let ids: Vec<_> = (0..ASKED).map(|_| Model::id(next() % CHUNKS)).collect();
            index.holds_each(&ids).unwrap()
        });
    });
    group.throughput(Throughput::Elements(PLANNED));
    group.bench_function("restore planning, chains of neighbours", |bench| {
        bench.iter(|| {
            // The fourth night rests on the third, the second, the first, and a whole frame.
            let first = model.delta_of(4, next() % (model.deltas_a_night() - PLANNED));
            let chains = (first..first + PLANNED).map(|at| index.chain(Model::id(at)).unwrap());
            chains.sum::<usize>()
        });
    });
    group.throughput(Throughput::Elements(PACK));
    let mut night = 0;
    group.bench_function("insert of a pack", |bench| {
        let pack = || {
            night += 1;
            model.new_pack(night)
        };
        let insert = |(id, directory)| index.insert(id, directory).unwrap();
        bench.iter_batched(pack, insert, BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = index
}
criterion_main!(benches);
