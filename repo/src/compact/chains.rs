//! How deep frames lie below whole ones, and what they could rest on instead. Pure.

use crate::catalog::Catalog;

/// The chains of the frames that are kept.
pub(super) struct Chains<'c> {
    catalog: &'c Catalog,
    kept: &'c [bool],
    depths: Vec<u8>,
}

impl<'c> Chains<'c> {
    /// Follows all of them.
    pub(super) fn new(catalog: &'c Catalog, kept: &'c [bool]) -> Self {
        let mut depths = vec![0u8; kept.len()];
        for at in catalog.by_rank() {
            if let Some(base) = kept_base(catalog, kept, at).filter(|_| kept[at]) {
                depths[at] = depths[base] + 1;
            }
        }
        Self {
            catalog,
            kept,
            depths,
        }
    }

    /// Steps from a kept frame to a whole one.
    pub(super) fn depth(&self, at: usize) -> u8 {
        self.depths[at]
    }

    /// What the frame rests on, the whole frame first, then each one above it; its base, the last, is left out.
    pub(super) fn ancestors(&self, at: usize) -> Vec<usize> {
        let mut chain = Vec::new();
        let mut base = kept_base(self.catalog, self.kept, at);
        while let Some(at) = base {
            chain.push(at);
            base = kept_base(self.catalog, self.kept, at);
        }
        chain.reverse();
        chain.pop();
        chain
    }
}

/// The frame that a kept delta rests on: of several the lowest.
fn kept_base(catalog: &Catalog, kept: &[bool], at: usize) -> Option<usize> {
    catalog
        .bases(at)
        .filter(|base| kept[*base])
        .min_by_key(|base| catalog.frames[*base].rank)
}
