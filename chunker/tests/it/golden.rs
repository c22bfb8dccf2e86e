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
            316_388, 691_215, 1_156_311, 1_398_247, 2_077_961, 2_173_345, 2_406_279, 2_655_087,
            2_936_106, 3_055_421, 4_103_997, 4_661_891, 4_946_294, 5_033_142, 5_255_287
        ]
    );
}

#[test]
fn cuts_of_small_sizes() {
    let ends = Cutter::new(&secret(), SMALL).cut_all(&input(), true);
    assert_eq!(
        (ends.len(), &ends[..4]),
        (14_682, &[482, 563, 717, 1064][..])
    );
    assert_eq!(digest(&ends), "14f1b2cc111b0423");
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
            0xb666_a4c9,
            0x2f3b_3844,
            0x87a5_5ab0,
            0xff2f_89bb,
            0xcf86_1224,
            0x7bd2_170a
        ])
    );
    assert_eq!(
        sketch(1, 4098),
        Some([
            0x7255_07da,
            0xfc00_4e2c,
            0xd333_1b4f,
            0x72e5_a4f7,
            0xb85f_15c9,
            0x4ca4_4ae8
        ])
    );
    let noise = data.len() - 100_001;
    assert_eq!(
        sketch(noise, data.len()),
        Some([
            0x3f53_afb2,
            0x52e4_a1ac,
            0x8add_2f86,
            0x02ea_f764,
            0x0cec_d0af,
            0xa156_24f3
        ])
    );
    // Rows, then zeros, which this secret does not sample.
    assert_eq!(
        sketch(3 << 20, (3 << 20) + 500_000),
        Some([
            0x8499_135b,
            0xccb9_6108,
            0xc92c_d047,
            0x1b9d_a4c8,
            0xd68a_1315,
            0xa085_666a
        ])
    );
    assert_eq!(sketch(4 << 20, (4 << 20) + 10_000), None);
}
