//! Chunker version 1, frozen: a repository's dedup and its bases depend on these never changing.
//! If one of them fails, the change needs a new version beside the old, not new numbers here.

use nightfold_chunker::{ChunkSizes, Cutter, IdKey, SKETCH_VERSION, Sketcher};

use crate::input::{Random, SMALL, rows};

fn secret() -> [u8; 32] {
    std::array::from_fn(|i| i as u8)
}

/// 3 MiB of rows, 1 MiB of zeros and more, and noise.
fn input() -> Vec<u8> {
    let mut random = Random(0x6e69_6768_7466_6f6c);
    let mut data = rows(&mut random, 3 << 20).concat();
    data.resize(data.len() + (1 << 20) + 12_345, 0);
    data.extend(random.bytes(1 << 20));
    data
}

fn digest(ends: &[usize]) -> String {
    let bytes: Vec<u8> = ends
        .iter()
        .flat_map(|&end| (end as u64).to_le_bytes())
        .collect();
    blake3::hash(&bytes).to_hex()[..16].to_owned()
}

#[test]
fn input_is_the_one_the_vectors_were_made_of() {
    let data = input();
    assert_eq!(data.len(), 5_255_287);
    assert_eq!(&blake3::hash(&data).to_hex()[..16], "21d1613127d5ab24");
}

#[test]
fn cuts_of_default_sizes() {
    let ends = Cutter::new(&secret(), ChunkSizes::default()).cut_all(&input(), true);
    assert_eq!(
        ends,
        [
            563_006, 758_470, 929_229, 1_973_205, 2_154_563, 2_577_526, 2_911_933, 3_140_327,
            4_188_903, 4_939_841, 5_255_287
        ]
    );
}

#[test]
fn cuts_of_small_sizes() {
    let ends = Cutter::new(&secret(), SMALL).cut_all(&input(), true);
    assert_eq!(
        (ends.len(), &ends[..4]),
        (11_825, &[399, 719, 1_204, 1_321][..])
    );
    assert_eq!(digest(&ends), "dcc451bdb8aef5e9");
}

#[test]
fn chunk_ids() {
    let key = IdKey::new(&secret());
    let data = input();
    assert_eq!(
        key.id(b"").to_string(),
        "18c2aa952214af5aa4d5ac6439a7f119053e562f"
    );
    assert_eq!(
        key.id(b"nightfold").to_string(),
        "7643e10bc0ec980070860997a40e4060e718dabe"
    );
    assert_eq!(
        key.id(&data[..1 << 18]).to_string(),
        "e8efd872ba429e48e8a8929625e3223ad6e916c5"
    );
}

#[test]
fn sketches() {
    assert_eq!(SKETCH_VERSION, 1);
    let sketcher = Sketcher::new(&secret());
    let data = input();
    let sketch = |from: usize, to: usize| sketcher.sketch(&data[from..to], None).map(|it| it.0);
    assert_eq!(
        sketch(0, 1 << 18),
        Some([
            0x64dd_fff2,
            0x8b2b_6e9e,
            0x3e7e_69ed,
            0xe6fc_b0d2,
            0x5267_d571,
            0x73f9_5a37
        ])
    );
    assert_eq!(
        sketch(1, 4098),
        Some([
            0xd13f_6b11,
            0xe94f_68cc,
            0xdffe_20e1,
            0x1adc_48bb,
            0x3c01_4bd7,
            0x65ca_0e7b
        ])
    );
    let noise = data.len() - 100_001;
    assert_eq!(
        sketch(noise, data.len()),
        Some([
            0xa98b_9275,
            0xed22_60c3,
            0x2490_dcad,
            0x8107_339a,
            0x1a34_e923,
            0xf1f6_8b37
        ])
    );
    // Rows, then zeros, which repeat their hash.
    assert_eq!(
        sketch((3 << 20) - 100_000, (3 << 20) + 500_000),
        Some([
            0x03e9_9011,
            0x2824_fa59,
            0x925c_6818,
            0x4d33_ae43,
            0xe406_320c,
            0x2478_53d4
        ])
    );
    assert_eq!(sketch(4 << 20, (4 << 20) + 10_000), None);
}
