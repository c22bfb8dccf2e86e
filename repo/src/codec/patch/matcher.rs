//! Which parts of a chunk its base has too.
//!
//! One pass goes through both side by side, at the speed of comparing memory. Only where they part is anything
//! looked for: at the same place a little further on, in a small table of what follows in the base, and in a sparse
//! table of the whole base. Long runs only: the short ones are zstd's, in what is left.

/// A run of bytes that the chunk takes over from its base, behind bytes that it has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    /// Bytes of the chunk between the run before and this one.
    pub(super) literal_bytes: usize,
    /// Where the run starts in the base.
    pub(super) base_at: usize,
    /// Length of the run.
    pub(super) bytes: usize,
}

/// Rows that are alike in all but a few fields have shorter runs in common.
const SURE_RUN: usize = 256;

impl Copy {
    /// Where the run ends in the base.
    pub(super) fn base_end(&self) -> usize {
        self.base_at + self.bytes
    }

    /// Whether it is too long to be found by chance.
    pub(super) fn is_sure(&self) -> bool {
        self.bytes >= SURE_RUN
    }
}

/// Hashed and compared at once.
const WORD: usize = 8;
/// Compared at once in long runs.
const BLOCK: usize = 512;
/// How far both are searched at the place where they part …
const NEAR_BYTES: usize = 32;
/// … and by how much an edit may have changed the length there, the likeliest first.
const NEAR_SHIFTS: [isize; 13] = [0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6];
/// The shortest run taken there.
const NEAR_RUN: usize = 24;
/// What the small table covers of the base, behind the place and ahead of it.
const TABLE_BACK: usize = 64;
const TABLE_AHEAD: usize = 384;
const TABLE_BITS: u32 = 11;
/// The shortest run taken by the small table, and one that is taken wherever it is met first.
const TABLE_RUN: usize = 32;
/// After a shorter run, so many bytes further on may offer a longer one.
const LOOK_ON: usize = 24;
/// How many bytes of the chunk are looked up before the next table is asked.
const SCAN: usize = 256;
/// Every so many places of the base are in the sparse table: its words side by side.
const SPARSE_STEP: usize = WORD;
/// The shortest run taken by the sparse table: any as long as this has an entry there.
const SPARSE_RUN: usize = 48;
/// Rows resemble their neighbours. Copies that follow the wrong one break at every row: after so many breaks …
const STUCK_AFTER: u32 = 4;
/// … of runs shorter than this, the longest run in reach is looked for.
const STUCK_RUN: usize = 192;

/// A base is given up after so many bytes if a quarter of them was not in it …
const HOPELESS_AFTER: usize = 32 << 10;
/// … or if runs have fewer bytes than this on average.
const HOPELESS_RUN: usize = 96;
/// Of what lies between two runs, so much counts at most. Where a cut point moved, a long part of the chunk is not in
/// the base, and all the rest of it is.
const HOPELESS_GAP: usize = 4 << 10;

/// Finds copies; keeps its tables from chunk to chunk.
#[derive(Default)]
pub(super) struct Matcher {
    sparse: Vec<u32>,
}

impl Matcher {
    /// The runs of `chunk` that `base` has too, in the order of the chunk; none if the base was given up.
    pub(super) fn copies(&mut self, chunk: &[u8], base: &[u8]) -> Vec<Copy> {
        let mut copies = Vec::new();
        self.sparse.clear();
        let mut pass = Pass {
            chunk,
            base,
            taken: 0,
            base_taken: 0,
            breaks: 0,
            literal_bytes: 0,
            sparse: &mut self.sparse,
        };
        let bytes = common(chunk, base);
        let mut next = (bytes > 0).then_some(Run {
            at: 0,
            base_at: 0,
            bytes,
        });
        loop {
            if let Some(run) = next {
                copies.push(pass.take(run));
            }
            if pass.is_hopeless(copies.len()) {
                return Vec::new();
            }
            next = pass.next_run();
            if next.is_none() {
                return copies;
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Run {
    at: usize,
    base_at: usize,
    bytes: usize,
}

/// The best run met so far in one search.
struct Search {
    best: Option<Run>,
    /// A run as long as this ends the search.
    enough: usize,
    /// Look for the longest run in reach, not for the first good one.
    stuck: bool,
}

impl Search {
    /// Whether `at` lies so far behind a run already met that a longer one would leave out too much.
    fn passed(&self, at: usize) -> bool {
        !self.stuck && self.best.is_some_and(|best| at > best.at + LOOK_ON)
    }
}

/// One pass over a chunk and its base.
struct Pass<'a> {
    chunk: &'a [u8],
    base: &'a [u8],
    /// Up to here the chunk is covered by runs and what lies between them.
    taken: usize,
    /// Where the last run ends in the base.
    base_taken: usize,
    /// Short runs since the last long one.
    breaks: u32,
    /// Bytes of the chunk between runs, as far as they count.
    literal_bytes: usize,
    /// Places in the base plus one, by hash; empty until it is needed.
    sparse: &'a mut Vec<u32>,
}

impl Pass<'_> {
    fn take(&mut self, run: Run) -> Copy {
        let copy = Copy {
            literal_bytes: run.at - self.taken,
            base_at: run.base_at,
            bytes: run.bytes,
        };
        self.literal_bytes += copy.literal_bytes.min(HOPELESS_GAP);
        self.taken = run.at + run.bytes;
        self.base_taken = run.base_at + run.bytes;
        self.breaks = if run.bytes < STUCK_RUN {
            self.breaks + 1
        } else {
            0
        };
        copy
    }

    /// Whether the base is another's: then what is left is not worth the search.
    fn is_hopeless(&self, copies: usize) -> bool {
        self.taken > HOPELESS_AFTER
            && (self.literal_bytes > self.taken / 4 || copies > self.taken / HOPELESS_RUN)
    }

    fn next_run(&mut self) -> Option<Run> {
        // Rarer and rarer: dense edits are not to cost a long search each.
        let stuck = self.breaks >= STUCK_AFTER && self.breaks.is_power_of_two();
        let mut search = Search {
            best: None,
            enough: if stuck { STUCK_RUN } else { TABLE_RUN },
            stuck,
        };
        if self.near(&mut search) || self.by_table(&mut search) {
            return search.best;
        }
        let mut from = self.taken;
        while search.best.is_none() || search.stuck {
            if from + WORD > self.chunk.len() {
                break;
            }
            let to = (from + SCAN).min(self.chunk.len());
            self.by_sparse(from, to, &mut search);
            from = to - (WORD - 1);
            search.stuck = false;
        }
        search.best
    }

    /// Weighs the run that goes through a word that both have; true if it ends the search.
    fn offer(&self, search: &mut Search, at: usize, base_at: usize, shortest: usize) -> bool {
        let ahead = common(&self.chunk[at..], &self.base[base_at..]);
        let back = common_back(&self.chunk[self.taken..at], &self.base[..base_at]);
        let run = Run {
            at: at - back,
            base_at: base_at - back,
            bytes: ahead + back,
        };
        if run.bytes >= shortest && search.best.is_none_or(|best| run.bytes > best.bytes) {
            search.best = Some(run);
        }
        run.bytes >= search.enough
    }

    /// An edit within a row: the next bytes go on at the same place, or a few bytes off.
    fn near(&self, search: &mut Search) -> bool {
        for shift in NEAR_SHIFTS {
            let at = self.taken + (-shift).max(0) as usize;
            let base_at = self.base_taken + shift.max(0) as usize;
            let (Some(chunk), Some(base)) = (self.chunk.get(at..), self.base.get(base_at..)) else {
                continue;
            };
            let reach = chunk.len().min(base.len()).min(NEAR_BYTES + WORD);
            let mut pairs = words(&chunk[..reach]).zip(words(&base[..reach]));
            if let Some(found) = pairs.position(|(word, other)| word == other)
                && (self.offer(search, at + found, base_at + found, NEAR_RUN)
                    || (search.best.is_some() && !search.stuck))
            {
                return true;
            }
        }
        false
    }

    /// A row that was removed or inserted: the rows around it go on within a few hundred bytes.
    fn by_table(&self, search: &mut Search) -> bool {
        let low = self.base_taken.saturating_sub(TABLE_BACK);
        let high = (self.base_taken + TABLE_AHEAD).min(self.base.len());
        let mut table = [0_u16; 1 << TABLE_BITS];
        // Backwards, so that of equal words the first one stays.
        for (place, word) in words(&self.base[low..high]).enumerate().rev() {
            table[hash(word, TABLE_BITS)] = place as u16 + 1;
        }
        let end = (self.taken + SCAN).min(self.chunk.len());
        let mut weighed = None;
        for (at, word) in (self.taken..).zip(words(&self.chunk[self.taken..end])) {
            if search.passed(at) {
                return true;
            }
            let Some(place) = usize::from(table[hash(word, TABLE_BITS)]).checked_sub(1) else {
                continue;
            };
            let base_at = low + place;
            // The next word of a run that was weighed already tells nothing new.
            let diagonal = base_at.wrapping_sub(at);
            if weighed == Some(diagonal) || word_at(self.base, base_at) != Some(word) {
                continue;
            }
            weighed = Some(diagonal);
            if self.offer(search, at, base_at, TABLE_RUN) {
                return true;
            }
        }
        search.best.is_some() && !search.stuck
    }

    /// Rows that were moved, and whatever else stands anywhere in the base.
    fn by_sparse(&mut self, from: usize, to: usize, search: &mut Search) {
        if self.sparse.is_empty() {
            self.fill_sparse();
        }
        let bits = self.sparse.len().ilog2();
        let mut weighed = None;
        for (at, word) in (from..).zip(words(&self.chunk[from..to])) {
            if search.passed(at) {
                return;
            }
            let Some(base_at) = (self.sparse[hash(word, bits)] as usize).checked_sub(1) else {
                continue;
            };
            let diagonal = base_at.wrapping_sub(at);
            if weighed == Some(diagonal) || word_at(self.base, base_at) != Some(word) {
                continue;
            }
            weighed = Some(diagonal);
            if self.offer(search, at, base_at, SPARSE_RUN) {
                return;
            }
        }
    }

    fn fill_sparse(&mut self) {
        let bits = (self.base.len() / SPARSE_STEP).max(256).ilog2() + 1;
        self.sparse.resize(1 << bits, 0);
        let words = self.base.as_chunks::<SPARSE_STEP>().0;
        for (place, word) in (1..).step_by(SPARSE_STEP).zip(words) {
            self.sparse[hash(u64::from_le_bytes(*word), bits)] = place;
        }
    }
}

fn words(bytes: &[u8]) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator {
    bytes.windows(WORD).map(|word| {
        word.first_chunk()
            .map_or(0, |word| u64::from_le_bytes(*word))
    })
}

fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|word| u64::from_le_bytes(*word))
}

/// Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): the upper `bits` of a product.
fn hash(word: u64, bits: u32) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - bits)) as usize
}

/// How many bytes both begin with.
fn common(a: &[u8], b: &[u8]) -> usize {
    let bytes = a.len().min(b.len());
    let (a, b) = (&a[..bytes], &b[..bytes]);
    // Whole blocks first: they are compared at the speed of memory.
    let blocks = a
        .as_chunks::<BLOCK>()
        .0
        .iter()
        .zip(b.as_chunks::<BLOCK>().0);
    let mut at = blocks.take_while(|(x, y)| x == y).count() * BLOCK;
    while let (Some(x), Some(y)) = (word_at(a, at), word_at(b, at)) {
        if x != y {
            return at + ((x ^ y).trailing_zeros() / 8) as usize;
        }
        at += WORD;
    }
    at + a[at..]
        .iter()
        .zip(&b[at..])
        .take_while(|(x, y)| x == y)
        .count()
}

/// How many bytes both end with.
fn common_back(a: &[u8], b: &[u8]) -> usize {
    a.iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(x, y)| x == y)
        .count()
}
