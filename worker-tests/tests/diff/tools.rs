//! Tars of other tools: what they say is read alike, however they spell it.

use worker_tests::program::said;

use super::{Files, differences, out};

/// A tree with all kinds of entries that a user without privileges can make, and long and odd names.
fn tree(files: &Files) {
    let long = ["d".repeat(90), "e".repeat(90), "f".repeat(100)].join("/");
    files.write(&format!("tree/{long}"), "long");
    files.write("tree/a", "a");
    files.write("tree/empty", "");
    files.write("tree/new\nline =#\\", "odd");
    files.sh(&format!(
        "cd tree; ln a hard; ln -s a soft; ln -s {long} far; mkfifo pipe; chmod 4711 a; mkdir dir
         touch $'caf\\351'; ln {long} long-hard"
    ));
}

/// Packs the tree in one order and with the same owner and times, whatever the format.
const GNU_TAR: &str =
    "tar --sort=name --owner=you:1000 --group=us:1000 --mtime=2024-01-02T03:04:05Z -C tree";

/// GNU tar's pax without the times that change whenever a file is read.
const PAX: &str = "posix --pax-option=delete=atime,delete=ctime";

/// What differs in the entries, rather than in how they are spelled.
fn of_entries(files: &Files, old: &str, new: &str) -> String {
    let done = files.diff(&[old, new]);
    assert!(matches!(done.status.code(), Some(0 | 1)), "{}", said(&done));
    let printed = differences(&out(&done));
    let is_spelling =
        |line: &&str| ["headers: ", "end: ", "frames: "].iter().any(|word| line.starts_with(word));
    printed.split_inclusive('\n').filter(|line| !is_spelling(line)).collect()
}

#[test]
fn the_formats_of_gnu_tar_say_the_same_of_every_entry() {
    let files = Files::new();
    tree(&files);
    for format in ["gnu", "oldgnu", PAX] {
        let name = format.split(' ').next().expect("a word");
        files.sh(&format!("{GNU_TAR} --format={format} -cf {name}.tar ."));
    }
    for format in ["oldgnu", "posix"] {
        assert_eq!(of_entries(&files, "gnu.tar", &format!("{format}.tar")), "", "{format}");
    }
}

#[test]
fn bsdtar_and_gnu_tar_say_the_same_of_every_entry() {
    let files = Files::new();
    tree(&files);
    files.sh(&format!("{GNU_TAR} --format=gnu -cf gnu.tar ."));
    for format in ["pax", "gnutar"] {
        // Its status is 1, since one name is not UTF-8.
        files.sh(&format!("bsdtar --format={format} -cf {format}.tar @gnu.tar || test $? = 1"));
        assert_eq!(of_entries(&files, "gnu.tar", &format!("{format}.tar")), "", "{format}");
    }
}

#[test]
fn short_names_in_ustar_and_v7_are_read_too() {
    let files = Files::new();
    files.write("tree/a", "a");
    files.write(&format!("tree/{}/{}", "d".repeat(90), "e".repeat(90)), "prefix");
    files.sh("ln -s a tree/l; ln tree/a tree/h");
    files.sh(&format!("{GNU_TAR} --format=ustar -cf ustar.tar ."));
    files.sh(&format!("{GNU_TAR} --format=gnu -cf gnu.tar ."));
    assert_eq!(of_entries(&files, "ustar.tar", "gnu.tar"), "");
    files.sh(&format!("{GNU_TAR} --format=ustar -cf ustar.tar a l h"));
    files.sh(&format!("{GNU_TAR} --format=v7 -cf v7.tar a l h"));
    let printed = of_entries(&files, "ustar.tar", "v7.tar");
    let names = "  uname   you -> none\n  gname   us -> none\n";
    assert_eq!(printed, ["a", "h", "l"].map(|path| format!("changed {path}\n{names}")).concat());
}

#[test]
fn python_writes_the_same_in_its_three_formats() {
    let files = Files::new();
    tree(&files);
    for format in ["PAX", "GNU"] {
        files.sh(&format!(
            "python3 -c \"
import tarfile
def plain(info):
    info.mtime, info.uid, info.gid, info.uname, info.gname = 1, 3000000, 5, 'you', 'us'
    return info
with tarfile.open('{format}.tar', 'w', format=tarfile.{format}_FORMAT) as tar:
    tar.add('tree', '.', filter=plain)
\""
        ));
    }
    assert_eq!(of_entries(&files, "PAX.tar", "GNU.tar"), "");
}

#[test]
fn sparse_files_are_skipped_and_their_sizes_compared() {
    let files = Files::new();
    files.sh("mkdir tree; truncate -s 10M tree/s; echo data | dd of=tree/s bs=1 seek=5000000 conv=notrunc
              for at in $(seq 1 60); do echo x | dd of=tree/s bs=1 seek=$((at * 100000)) conv=notrunc; done
              echo z >tree/z");
    files.sh(&format!("{GNU_TAR} --format=gnu -cf whole.tar s z"));
    let versions = ["0.0", "0.1", "1.0"].map(|version| format!("{PAX} --sparse-version={version}"));
    let versions = versions.into_iter().chain(["gnu".to_owned()]);
    for version in versions {
        files.sh(&format!("{GNU_TAR} --format={version} -S -cf sparse.tar s z"));
        let printed = of_entries(&files, "whole.tar", "sparse.tar");
        let expected =
            "not compared: the content of 1 file: s (one side stores it without its holes)\n";
        assert!(printed == expected, "{version}: {printed}");
        let is_sparse =
            std::fs::metadata(files.at("sparse.tar")).expect("it is there").len() < 1 << 20;
        assert!(is_sparse, "{version} stored the holes");
        files.equal(&["sparse.tar", "sparse.tar"]);
    }
}

#[test]
fn layers_of_gzip_pigz_and_zstd_are_read_as_the_tar_in_them() {
    let files = Files::new();
    tree(&files);
    files.sh(&format!("{GNU_TAR} -cf a.tar ."));
    files.sh("gzip -k a.tar; pigz -k -S .pigz a.tar; zstd -q a.tar; zstd -q --ultra -22 --long=27 -o long.zst a.tar
              cat a.tar | gzip -1 >b.gz; head -c 5000 a.tar | gzip >two.gz; tail -c +5001 a.tar | gzip >>two.gz
              cp a.tar.gz padded.gz; head -c 700 /dev/zero >>padded.gz");
    for layer in ["a.tar.gz", "a.tar.pigz", "a.tar.zst", "long.zst", "b.gz", "two.gz", "padded.gz"]
    {
        files.equal(&["a.tar", layer]);
    }
}

#[test]
fn a_layer_that_arrives_through_a_pipe_is_read_as_it_comes() {
    let files = Files::new();
    tree(&files);
    files.sh(&format!("{GNU_TAR} -czf a.tgz ."));
    assert_eq!(files.sh("mtree-worker diff <(cat a.tgz) a.tgz"), "");
}

#[test]
fn global_records_of_pax_hold_for_the_entries_behind_them() {
    use super::tar::{Head, file, pax};
    let global =
        Head { kind: b'g', ..pax(&[("uname", "you"), ("mtime", "5.5"), ("comment", "x")]) };
    let old = [global, file("a", "1")];
    let new = [pax(&[("uname", "you"), ("mtime", "5.5")]), file("a", "1")];
    let printed = differences(&Files::of_tars(&old, &new).differing(&["a.tar", "b.tar"]));
    let expected = "headers: 1 entry has other header bytes for equal fields: a \
                    (the fields are spelled in another way)\n";
    assert_eq!(printed, expected);
}
