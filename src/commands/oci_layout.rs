//! `mtree-worker oci-layout`: an image of layers that are already written.

use super::error::CommandError;
use crate::oci::Layout;

/// Writes the layout.
pub(crate) fn write(layout: &Layout) -> Result<(), CommandError> {
    Ok(layout.write()?)
}
