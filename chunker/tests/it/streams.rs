//! Streams of windows.

use std::io::{self, Read};

use nightfold_chunker::{Buffers, ChunkStream, Sketcher};
use proptest::prelude::*;

use crate::input::{LARGER, Random, SMALL, any_data, cutter};

/// A pipe: it gives less than it is asked for, is interrupted, and fails when told to.
struct Pipe<'a> {
    data: &'a [u8],
    read_bytes_max: u64,
    random: Random,
    /// What remains when it fails, once.
    fails_at: Option<usize>,
}

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.random.below(8) == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.fails_at.is_some_and(|at| self.data.len() <= at) {
            self.fails_at = None;
            return Err(io::Error::other("bad sector"));
        }
        let bytes = 1 + self.random.below(self.read_bytes_max) as usize;
        let bytes = bytes.min(buffer.len()).min(self.data.len());
        let (now, later) = self.data.split_at(bytes);
        buffer[..bytes].copy_from_slice(now);
        self.data = later;
        Ok(bytes)
    }
}

proptest! {
    #[test]
    fn windows_have_the_cuts_of_one_pass(
        data in any_data(40_000),
        window_bytes in prop_oneof![0..3000_usize, 3000..60_000_usize],
        read_bytes_max in prop_oneof![1..20_u64, 20..20_000_u64],
        fails_at in proptest::option::of(0..20_000_usize),
        seed: u64,
        reused: bool,
        // Chunks of the first are too short to have sketches.
        sizes in prop_oneof![Just(SMALL), Just(LARGER)],
    ) {
        let pipe = Pipe { data: &data, read_bytes_max, random: Random(seed), fails_at };
        let cutter = cutter(sizes);
        let sketcher = Sketcher::new(&[1; 32]);
        // Windows of that size are read into buffers that held others.
        let buffers = Buffers::new(20_000);
        let window_bytes = if reused { 20_000 } else { window_bytes };
        let mut stream = ChunkStream::new(cutter.clone(), pipe, window_bytes, &buffers);
        let (mut bytes, mut ends, mut failures) = (Vec::new(), Vec::new(), 0);
        loop {
            let window = match stream.next_window() {
                Ok(Some(window)) => window,
                Ok(None) => break,
                Err(error) => {
                    prop_assert_eq!(error.to_string(), "bad sector");
                    failures += 1;
                    continue;
                }
            };
            prop_assert_eq!(window.ends.last(), Some(&window.bytes.len()));
            prop_assert!(window.bytes.len() <= window_bytes.max(sizes.max));
            for chunk in window.chunks() {
                prop_assert!(chunk.samples.is_some());
                let sketch = sketcher.sketch(chunk.bytes, chunk.samples);
                prop_assert_eq!(sketch, sketcher.sketch(chunk.bytes, None));
            }
            ends.extend(window.ends.iter().map(|end| bytes.len() + end));
            bytes.extend_from_slice(&window.bytes);
        }
        prop_assert_eq!(failures, i32::from(fails_at.is_some()));
        prop_assert_eq!(ends, cutter.cut_all(&data, true));
        prop_assert!(bytes == data);
        prop_assert!(stream.next_window().unwrap().is_none(), "the end is the end");
    }
}
