//! What a request lists as its inputs: their paths, and the digests of their contents.
//!
//! Knows paths and digests as bytes; must not know how a request spells them.

use std::borrow::Cow;

use hashbrown::HashMap;

use crate::layer::Listed;
use crate::resolve::Inputs;

/// The inputs of a request.
pub struct Listing<'r> {
    /// Their paths.
    pub paths: Inputs,
    /// By path, the text of the digest. Empty for a request that reads no content.
    digests: HashMap<Cow<'r, [u8]>, &'r [u8]>,
}

impl<'r> Listing<'r> {
    /// Inputs of which no digest is known.
    pub fn new(paths: Inputs) -> Self {
        Self { paths, digests: HashMap::new() }
    }

    /// The same, with the digests of some paths.
    pub fn with_digests(self, digests: impl Iterator<Item = (Cow<'r, [u8]>, &'r [u8])>) -> Self {
        Self { digests: digests.filter(|(_, digest)| !digest.is_empty()).collect(), ..self }
    }

    /// The digest of the content at `path`, if it is listed in a form that is known.
    pub fn digest(&self, path: &[u8]) -> Option<Listed> {
        Listed::from_hex(self.digests.get(path)?)
    }
}
