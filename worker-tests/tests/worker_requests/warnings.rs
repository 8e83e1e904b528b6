//! Rows that need a change of the build: what the program says of each, and that `explain` agrees.

use worker_tests::exec_root::{ExecRoot, resolve};
use worker_tests::program;

/// A tree, a row, and the words of the warning or error and of `explain`.
struct Warned<'t> {
    tree: &'t str,
    row: &'t str,
    exit_code: i32,
    says: &'t str,
    explains: &'t str,
}

/// The warning of each kind of row. `$ROOT` stands for the directory of the exec root.
const WARNED: &[Warned<'_>] = &[
    Warned {
        tree: "",
        row: "./app/my file type=file mode=0644\n",
        exit_code: 1,
        says: "mtree-worker: spec.mtree:1: missing \"=\" after \"file\": write a keyword as KEYWORD=VALUE, and a space \
               in a name as \\040\n",
        explains: "missing \"=\" after \"file\": write a keyword as KEYWORD=VALUE, and a space in a name as \\040",
    },
    Warned {
        tree: "link gone.txt -> $ROOT/repo/gone.txt\n",
        row: "app/gone type=file content=gone.txt\n",
        exit_code: 0,
        says: "mtree-worker: warning: rows left alone, since the symlinks that Bazel put at their sources are \
               dangling: 1, the first: app/gone (gone.txt); what they lead to was deleted: build or fetch it again\n",
        explains: "the symlink that Bazel put at its source is dangling: what it leads to was deleted, or never fetched",
    },
    Warned {
        tree: "link py/doc -> /nowhere/doc\n",
        row: "app/doc type=file content=py/doc\n",
        exit_code: 0,
        says: "mtree-worker: warning: rows left alone, since their symlinks are absolute and dangling: 1, the first: \
               app/doc (py/doc); packing them fails: remove them from srcs, or create what they lead to\n",
        explains: "its symlink is absolute and dangling: there is nothing to link to, and there are no bytes",
    },
    Warned {
        tree: "link py/doc -> nowhere\nfile py/index text\n",
        row: "app/doc type=file content=py/doc\napp/doc/index type=file content=py/index\n",
        exit_code: 0,
        says: "mtree-worker: warning: rows left alone, since their symlinks are dangling and rows are below them: 1, the \
               first: app/doc (py/doc); remove them from srcs, or add what they lead to\n",
        explains: "its symlink is dangling, and rows are below it, which a link would hide",
    },
    Warned {
        tree: "file bazel-out/bin/real\nlink bazel-out/bin/l -> $ROOT/execroot/_main/bazel-out/bin/real\n",
        row: "app/l type=link content=bazel-out/bin/l\n",
        exit_code: 0,
        says: "mtree-worker: warning: links that the build declared lead into the exec root, which no image has: 1, the \
               first: app/l (bazel-out/bin/l) -> $ROOT/execroot/_main/bazel-out/bin/real; add what they lead to to \
               srcs, or declare them with a relative target\n",
        explains: "it keeps its declared target, which leads into the exec root",
    },
    Warned {
        tree: "link bin/l -> ../../../etc/passwd\n",
        row: "app/l type=link content=bin/l\n",
        exit_code: 0,
        says: "mtree-worker: warning: links that the build declared lead out of the archive: 1, the first: app/l (bin/l); \
               declare them with a target inside it\n",
        explains: "it keeps its declared target, which leads out of the archive",
    },
    Warned {
        tree: "",
        row: "app/a type=link link=bazel-out/bin/a\napp/b type=link link=external/py/b\napp/c type=link link=c\n",
        exit_code: 0,
        says: "mtree-worker: warning: finished links begin with bazel-out/ or external/: 2, the first: app/a -> \
               bazel-out/bin/a; if link= holds the path of the symlink itself, say --link-is-source\n",
        explains: "if link= holds the path of the symlink itself, say --link-is-source",
    },
];

#[test]
fn each_message_says_what_a_row_is_and_what_to_do_and_explain_agrees() {
    for warned in WARNED {
        let exec_root = ExecRoot::new("");
        let root = exec_root.beside().display().to_string();
        let tree = warned.tree.replace("$ROOT", &root);
        worker_tests::plant::plant(exec_root.path(), tree.as_bytes()).unwrap();
        exec_root.write("spec.mtree", warned.row);
        let response = exec_root.worker(&[]).ask(&resolve(1, "spec.mtree", "out.mtree"));
        let says = warned.says.replace("$ROOT", &root);
        assert_eq!((response.exit_code, &response.output[..]), (warned.exit_code, &says[..]));
        let done = exec_root.once(&["explain", "--mtree=spec.mtree", "**"]);
        let explained = String::from_utf8_lossy(&done.stdout).into_owned() + &program::said(&done);
        assert!(explained.contains(warned.explains), "{explained}");
    }
}
