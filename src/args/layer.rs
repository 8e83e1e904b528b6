//! The flags of `layer`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, ValueEnum};

use super::resolve::OptionArgs;
use crate::layer::rows::Metadata;
use crate::layer::{Codec, GzipLevel, ZstdLevel};
use crate::request::{GroupChoice, HardLinks, LayerOptions, Order, ResolveRequest};

/// Resolves an mtree spec as `resolve` does, and writes the layer: a tar, compressed by all cores.
///
/// Uncompressed, it is byte for byte what `bsdtar -cf FILE @SPEC` writes for the resolved spec. A worker
/// compresses only what has changed.
#[derive(Args)]
pub(super) struct LayerArgs {
    /// The spec to read.
    #[arg(long, value_name = "IN")]
    mtree: PathBuf,
    /// The layer to write, atomically.
    #[arg(long, value_name = "LAYER")]
    out: PathBuf,
    #[command(flatten)]
    layer: LayerFormatArgs,
    /// Where a uid, gid, mode or time comes from that a row does not have.
    #[arg(long, value_enum, default_value_t, value_name = "WHERE", help_heading = "Layer")]
    metadata: MetadataArg,
    /// The order of the rows in the layer.
    #[arg(long, value_enum, default_value_t, value_name = "ORDER", help_heading = "Layer")]
    order: OrderArg,
    /// Resolve the whole spec, and write only the rows of this group.
    #[arg(long, value_name = "GROUP", requires = "groups", help_heading = "Layer")]
    only: Option<String>,
    /// The groups, in order, as JSON: [{"name": "...", "patterns": ["lib/**", "source:external/**"]}]. Rows that
    /// no group takes are in the group app.
    #[arg(long, value_name = "FILE.json", requires = "only", help_heading = "Layer")]
    groups: Option<PathBuf>,
    /// Write the sources that the layer does not read, one per line, for Bazel's unused_inputs_list.
    #[arg(long, value_name = "FILE", help_heading = "Layer")]
    unused_inputs: Option<PathBuf>,
    /// The inputs of the action, one per line: --unused-inputs lists also those that are not a source.
    #[arg(long, value_name = "FILE", requires = "unused_inputs", help_heading = "Layer")]
    inputs: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Resolving")]
    options: OptionArgs,
    /// Write the numbers of the run as JSON.
    #[arg(long, value_name = "FILE.json", help_heading = "Options")]
    report: Option<PathBuf>,
}

/// How a layer is written.
#[derive(Args)]
#[command(next_help_heading = "Layer")]
pub(super) struct LayerFormatArgs {
    /// The compression [default: by the name of the output: gzip for .tar.gz and .tgz, zstd for .tar.zst and
    /// .tzst, else none].
    #[arg(long, value_enum, value_name = "CODEC")]
    compress: Option<CompressArg>,
    /// The level: 1 to 12 for gzip [default: 6], 1 to 19 for zstd [default: 3].
    #[arg(long, value_name = "N")]
    level: Option<u8>,
    /// Write gzip as one member, for readers that stop at the end of the first.
    #[arg(long)]
    single_member: bool,
    /// Write the descriptor as JSON: media type, digest, size, and the digest of the uncompressed tar.
    #[arg(long, value_name = "FILE.json")]
    descriptor: Option<PathBuf>,
    /// Which files become hard links to an earlier one.
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    hardlinks: HardLinksArg,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompressArg {
    /// Not compressed.
    None,
    /// gzip: one member per frame.
    Gzip,
    /// zstd: one zstd frame per frame.
    Zstd,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum HardLinksArg {
    /// None.
    #[default]
    Never,
    /// Those that are one file on the disk, as bsdtar does.
    Inode,
    /// Those whose bytes, mode, owner and time are equal.
    Content,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum MetadataArg {
    /// A row that lacks one is an error.
    #[default]
    Spec,
    /// The disk, as bsdtar does.
    Disk,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum OrderArg {
    /// As in the spec.
    #[default]
    Spec,
    /// Rows with a source below external/ first, since they change seldom.
    StableFirst,
}

impl LayerArgs {
    /// The request.
    ///
    /// # Errors
    ///
    /// If flags contradict each other.
    pub(super) fn into_request<C: CommandFactory>(self) -> Result<ResolveRequest, clap::Error> {
        let codec = self.layer.codec("an --out", &self.out).map_err(|sentence| {
            super::usage_error::<C>("layer", ErrorKind::ValueValidation, sentence)
        })?;
        let group = self.only.zip(self.groups);
        let layer = LayerOptions {
            metadata: match self.metadata {
                MetadataArg::Spec => Metadata::Spec,
                MetadataArg::Disk => Metadata::Disk,
            },
            order: match self.order {
                OrderArg::Spec => Order::Spec,
                OrderArg::StableFirst => Order::StableFirst,
            },
            group: group.map(|(name, file)| GroupChoice { name, file }),
            unused_inputs: self.unused_inputs,
            inputs: self.inputs,
            ..self.layer.into_options(codec)
        };
        Ok(ResolveRequest {
            mtree: self.mtree,
            out: self.out,
            report: self.report,
            options: self.options.into(),
            layer: Some(Box::new(layer)),
        })
    }
}

impl LayerFormatArgs {
    /// Whether any of these flags is given.
    pub(super) fn is_given(&self) -> bool {
        self.compress.is_some()
            || self.level.is_some()
            || self.single_member
            || self.descriptor.is_some()
            || !matches!(self.hardlinks, HardLinksArg::Never)
    }

    /// How a layer at `out` is compressed. `flag` is the flag that `out` is of, with its article. An error is a sentence.
    pub(super) fn codec(&self, flag: &str, out: &Path) -> Result<Codec, String> {
        let named = match self.compress {
            Some(CompressArg::None) => "with --compress=none".to_owned(),
            Some(_) => String::new(),
            None => format!("with {flag} that is not named .tar.gz, .tgz, .tar.zst or .tzst"),
        };
        let compress = self.compress.unwrap_or_else(|| by_name(out.as_os_str()));
        if self.single_member && compress != CompressArg::Gzip {
            let why = if compress == CompressArg::Zstd { "with zstd" } else { &named };
            return Err(format!("--single-member is for gzip, and cannot be used {why}"));
        }
        let level = self.level;
        let wrong_level = |name: &str, most: u8| {
            let level = level.unwrap_or_default();
            format!("--level: {name} has no level {level}; give one from 1 to {most}")
        };
        Ok(match compress {
            CompressArg::None if level.is_some() => {
                return Err(format!("--level cannot be used {named}: nothing is compressed"));
            }
            CompressArg::None => Codec::None,
            CompressArg::Gzip => {
                let level = level.map_or(Some(GzipLevel::default()), GzipLevel::new);
                let level = level.ok_or_else(|| wrong_level("gzip", 12))?;
                match self.single_member {
                    true => Codec::GzipSingleMember { level },
                    false => Codec::Gzip { level },
                }
            }
            CompressArg::Zstd => {
                let level = level.map_or(Some(ZstdLevel::default()), ZstdLevel::new);
                Codec::Zstd { level: level.ok_or_else(|| wrong_level("zstd", 19))? }
            }
        })
    }

    /// The options of a layer that is written whole.
    pub(super) fn into_options(self, codec: Codec) -> LayerOptions {
        LayerOptions {
            codec,
            descriptor: self.descriptor,
            hard_links: match self.hardlinks {
                HardLinksArg::Never => HardLinks::Never,
                HardLinksArg::Inode => HardLinks::Inode,
                HardLinksArg::Content => HardLinks::Content,
            },
            metadata: Metadata::Spec,
            order: Order::Spec,
            group: None,
            unused_inputs: None,
            inputs: None,
        }
    }
}

/// The compression that the name of a layer implies.
fn by_name(out: &OsStr) -> CompressArg {
    let ends =
        |endings: &[&str]| endings.iter().any(|ending| out.as_bytes().ends_with(ending.as_bytes()));
    match out {
        _ if ends(&[".tar.gz", ".tgz"]) => CompressArg::Gzip,
        _ if ends(&[".tar.zst", ".tzst"]) => CompressArg::Zstd,
        _ => CompressArg::None,
    }
}
