//! A shared cache: nginx, which stores what is PUT to it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::workspace::Workspace;

/// nginx, serving a directory. On drop it ends.
struct Cache {
    process: Child,
    port: u16,
    _directory: TempDir,
}

impl Cache {
    fn start() -> Cache {
        let directory = TempDir::new().expect("a directory can be made");
        let at = directory.path().display();
        // The kernel gives a free port for port 0. It is free again when the listener is dropped.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port is free")
            .port();
        let config = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
             events {{}}\n\
             http {{\n\
                 access_log {at}/access.log;\n\
                 client_body_temp_path {at}/body; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;\n\
                 uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
                 server {{\n\
                     listen 127.0.0.1:{port};\n\
                     root {at}/cache;\n\
                     client_max_body_size 0;\n\
                     dav_methods PUT;\n\
                     create_full_put_path on;\n\
                 }}\n\
             }}\n"
        );
        fs::create_dir(directory.path().join("cache")).expect("a directory can be made");
        fs::write(directory.path().join("nginx.conf"), config).expect("a file can be written");
        let process = Command::new("nginx")
            .arg("-p")
            .arg(directory.path())
            .arg("-c")
            .arg(directory.path().join("nginx.conf"))
            .spawn()
            .expect("nginx starts");
        let cache = Cache { process, port, _directory: directory };
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "nginx does not listen");
            sleep(Duration::from_millis(50));
        }
        cache
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs Bazel and nginx: worker-tests/bazel"]
fn another_machine_takes_the_action_from_a_shared_cache() {
    let cache = Cache::start();
    let flag = format!("--remote_cache=http://127.0.0.1:{}", cache.port);
    let mut layers = Vec::new();
    for round in 0..2 {
        // Another workspace directory and another output root, as on another machine.
        let workspace = Workspace::example();
        let bazel = workspace.bazel("a root of its own");
        let said = bazel.build(&["//app:layer", "//app:layers", &flag]).succeeded();
        println!("{}", said.processes());
        let files = ["layer.tar", "layers_interpreter.tar.gz", "layers_app.tar.gz"].map(|layer| {
            fs::read(bazel.output(&format!("app/{layer}"))).expect("there is a layer")
        });
        layers.push(files);
        assert_eq!(bazel.worker_logs_of("MtreeLayer").len(), 1 - round, "round {round}");
        let workers = bazel.worker_logs().len();
        assert_eq!(workers, 1 - round, "{workers} workers have run in round {round}");
        if round == 1 {
            assert!(said.processes().contains("remote cache hit"), "{}", said.text);
        }
    }
    assert!(layers[0] == layers[1], "the layers differ");
}
