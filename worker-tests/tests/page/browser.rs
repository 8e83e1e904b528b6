//! Chromium, driven through its debugging protocol: keys, the accessibility tree, light and dark.
//!
//! Knows no page. Messages are JSON with a zero byte behind each, on descriptors 3 and 4 of the browser.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A browser with one page open.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    last_id: u64,
    session: Option<String>,
    /// What the page wrote to its console, and exceptions.
    complaints: Vec<String>,
    _profile: TempDir,
}

/// How a page is shown.
#[derive(Clone, Copy)]
pub struct Screen {
    pub width: u32,
    pub is_dark: bool,
}

/// A light page on a desk.
pub const DESK: Screen = Screen { width: 1280, is_dark: false };

impl Browser {
    /// Opens a page.
    pub fn open(page: &Path, screen: Screen) -> Browser {
        let profile = tempfile::Builder::new().prefix("browser-").tempdir().expect("a directory");
        // The shell gives the browser the pipes as descriptors 3 and 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null", "sh"])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let to = child.stdin.take().expect("it is a pipe");
        let from = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let (session, complaints) = (None, Vec::new());
        let mut browser =
            Browser { child, to, from, last_id: 0, session, complaints, _profile: profile };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.ask("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        let Screen { width, is_dark } = screen;
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        browser.ask("Emulation.setEmulatedMedia", json!({"features": features}));
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        browser.ask("Emulation.setDeviceMetricsOverride", size);
        for domain in ["Page", "Runtime", "Log"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser.ask("Page.navigate", json!({"url": format!("file://{}", page.display())}));
        while browser.eval("document.readyState") != "complete" {
            browser.eval("new Promise((done) => requestAnimationFrame(done))");
        }
        browser
    }

    /// The value of an expression in the page. Panics if the page complained.
    pub fn eval(&mut self, expression: &str) -> Value {
        let evaluate =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", evaluate);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        assert!(self.complaints.is_empty(), "{:?}", self.complaints);
        answer["result"]["value"].clone()
    }

    /// The text that an expression in the page is.
    pub fn text(&mut self, expression: &str) -> String {
        match self.eval(expression) {
            Value::String(text) => text,
            other => panic!("{expression} is no text: {other}"),
        }
    }

    /// Presses a key: `Tab`, `Enter` or `ArrowDown`.
    pub fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            _ => 40,
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            if (key, kind) == ("Enter", "keyDown") {
                event["text"] = json!("\r");
            }
            self.ask("Input.dispatchKeyEvent", event);
        }
    }

    /// The accessibility tree, as a screen reader has it: of each node that is not ignored, its role, name and
    /// properties.
    pub fn accessible(&mut self) -> Vec<(String, String, Value)> {
        let tree = self.ask("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().expect("a list").iter();
        let nodes = nodes.filter(|node| node["ignored"] != true).map(|node| {
            let text = |of: &str| node[of]["value"].as_str().unwrap_or_default().to_owned();
            (text("role"), text("name"), node["properties"].clone())
        });
        nodes.collect()
    }

    /// Sends a command and waits for its answer.
    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let written = write!(self.to, "{message}\0").and_then(|()| self.to.flush());
        written.expect("Debian's chromium is installed and takes commands");
        loop {
            let mut answer = Vec::new();
            self.from.read_until(0, &mut answer).expect("the browser answers");
            assert_eq!(answer.pop(), Some(0), "the browser ended");
            let answer: Value = serde_json::from_slice(&answer).expect("JSON");
            match answer["method"].as_str() {
                Some(
                    "Runtime.exceptionThrown"
                    | "Runtime.consoleAPICalled"
                    | "Log.entryAdded"
                    | "Page.javascriptDialogOpening",
                ) => self.complaints.push(answer.to_string()),
                _ if answer["id"] == self.last_id => {
                    assert!(answer.get("error").is_none(), "{method}: {answer}");
                    return answer["result"].clone();
                }
                _ => {}
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
