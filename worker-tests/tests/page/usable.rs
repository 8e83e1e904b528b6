//! The page of layers is usable by everybody: with keys alone, with a screen reader, in the dark, on a narrow screen; and a
//! name in it is only a name.

use std::collections::HashSet;

use crate::browser::{Browser, DESK, Screen};
use crate::layers::{HOSTILE, Layers};

const DARK: Screen = Screen { width: 1280, is_dark: true };
const NARROW: Screen = Screen { width: 360, is_dark: false };

#[test]
fn every_control_is_reached_with_the_tab_key_and_the_focus_is_seen() {
    let mut browser = Browser::open(&Layers::get().builds, DESK);
    // One of several radio buttons is reached; arrow keys reach the others.
    let controls = browser.eval(
        "window.controls = [...document.querySelectorAll('button, select, input, summary, [tabindex=\"0\"]')]
            .filter((control) => control.checkVisibility() && (control.type !== 'radio' || control.checked));
        controls.length",
    );
    let controls = controls.as_u64().expect("a number");
    assert!(controls > 30, "{controls}");
    let mut met = HashSet::new();
    for _ in 0..controls {
        browser.press("Tab");
        let focused = browser.eval(
            "(() => { const style = getComputedStyle(document.activeElement);
            return [controls.indexOf(document.activeElement), style.outlineStyle, parseFloat(style.outlineWidth)]; })()",
        );
        let number = focused[0].as_i64().expect("a number");
        assert!(number >= 0 && met.insert(number), "{number} after {met:?}");
        assert!(focused[1] != "none" && focused[2].as_f64() >= Some(2.0), "{focused}");
    }
}

#[test]
fn a_directory_is_opened_with_a_key_and_the_focus_stays_at_the_picture() {
    let mut browser = Browser::open(&Layers::get().builds, DESK);
    let way = "[...document.querySelectorAll('#way button')].map((button) => button.textContent).join(' > ')";
    browser.eval("document.querySelector('#tree td button').focus()");
    browser.press("Enter");
    assert_eq!(browser.text(way), "app.tar.gz #2 > app");
    assert_eq!(browser.text("document.activeElement.textContent"), "app");
    assert_eq!(browser.eval("document.activeElement.getAttribute('aria-current')"), "location");
    browser.eval("document.querySelector('#way button').focus()");
    browser.press("Enter");
    assert_eq!(browser.text(way), "app.tar.gz #2");
}

#[test]
fn the_treemap_has_the_boxes_that_the_table_has_rows_for() {
    let mut browser = Browser::open(&Layers::get().builds, DESK);
    browser.eval("[...document.querySelectorAll('#tree-map g.open:not(.inner)')][0].dispatchEvent(new MouseEvent('click'))");
    let equal = "(() => { const of = (selector) => [...document.querySelectorAll(selector)];
        const boxes = of('#tree-map g:not(.inner) > title').map((title) => title.textContent.split(': ')[0]);
        const rows = of('#tree tbody tr').map((row) => row.cells[0].textContent.replace(/\\/$/, ''));
        return [boxes.length, rows.filter((row) => !boxes.includes(row))]; })()";
    let compared = browser.eval(equal);
    assert!(compared[0].as_u64() >= Some(4), "{compared}");
    assert_eq!(compared[1], serde_json::json!([]));
    browser.eval("document.getElementById('by-compressed').click()");
    assert_eq!(browser.eval(equal)[1], serde_json::json!([]));
}

#[test]
fn a_screen_reader_has_a_name_for_everything_and_headings_in_order() {
    let mut browser = Browser::open(&Layers::get().builds, DESK);
    let nodes = browser.accessible();
    let named = [
        "button",
        "combobox",
        "radio",
        "searchbox",
        "img",
        "image",
        "table",
        "region",
        "navigation",
        "columnheader",
        "link",
    ];
    let mut levels = Vec::new();
    for (role, name, properties) in &nodes {
        assert!(!named.contains(&role.as_str()) || !name.is_empty(), "a {role} has no name");
        if role == "heading" {
            let properties = properties.as_array().expect("a list");
            let level = properties.iter().find(|property| property["name"] == "level");
            levels.push(level.and_then(|level| level["value"]["value"].as_u64()).expect("a level"));
        }
    }
    let count = |role: &str| nodes.iter().filter(|(other, ..)| other == role).count();
    assert_eq!((count("main"), count("banner"), levels[0]), (1, 1, 1));
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    assert!(count("table") >= 8 && count("image") + count("img") >= 5, "{}", count("table"));
    let named = |role: &str, start: &str| {
        nodes.iter().any(|(other, name, _)| other == role && name.starts_with(start))
    };
    assert!(named("combobox", "Layer") && named("searchbox", "Filter the tables"));
    assert!(named("radio", "compressed, an estimate"));
}

#[test]
fn text_has_enough_contrast_in_the_light_and_in_the_dark() {
    for screen in [DESK, DARK] {
        let mut browser = Browser::open(&Layers::get().builds, screen);
        browser.eval("document.querySelector('details').open = true");
        let found = browser.eval(
            "(() => {
            const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
            const light = (colour) => { const [r, g, b] = parse(colour).slice(0, 3).map((part) => {
                part /= 255; return part <= .03928 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4; });
                return .2126 * r + .7152 * g + .0722 * b; };
            const isOpaque = (colour) => { const parts = parse(colour); return parts.length < 4 || parts[3] > 0; };
            const behind = (node) => {
                const box = node.closest('g')?.querySelector('rect');
                if (box) return getComputedStyle(box).fill;
                for (; node; node = node.parentElement) {
                    const colour = getComputedStyle(node).backgroundColor;
                    if (isOpaque(colour)) return colour;
                }
                return 'rgb(255, 255, 255)';
            };
            const low = [], seen = new Set();
            let checked = 0;
            for (const node of document.querySelectorAll('body *')) {
                if (!['SCRIPT', 'title'].includes(node.tagName) && node.checkVisibility() &&
                    [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())) {
                    const style = getComputedStyle(node), colour = node instanceof SVGElement ? style.fill : style.color;
                    const [a, b] = [light(colour), light(behind(node))].sort((a, b) => b - a);
                    const ratio = (a + .05) / (b + .05);
                    checked++;
                    if (ratio < 4.5) low.push([node.textContent.slice(0, 40), colour, behind(node), ratio]);
                }
            }
            return [checked, low, getComputedStyle(document.body).backgroundColor];
            })()",
        );
        assert!(found[0].as_u64() > Some(100), "{found}");
        assert_eq!(found[1], serde_json::json!([]), "dark: {}", screen.is_dark);
        let back = if screen.is_dark { "rgb(21, 27, 34)" } else { "rgb(255, 255, 255)" };
        assert_eq!(found[2], back);
    }
}

#[test]
fn nothing_is_cut_off_on_any_screen() {
    for screen in [DESK, NARROW] {
        for page in [&Layers::get().builds, &Layers::get().image] {
            let mut browser = Browser::open(page, screen);
            let script = "(() => {
                const problems = [];
                if (document.documentElement.scrollWidth > innerWidth)
                    problems.push(['the page is wider than the window', document.documentElement.scrollWidth]);
                for (const svg of document.querySelectorAll('svg')) for (const text of svg.querySelectorAll('text')) {
                    const box = (text.closest('g')?.querySelector('rect') ?? svg).getBoundingClientRect();
                    const is = text.getBoundingClientRect();
                    if (is.right > box.right + 1 || is.bottom > box.bottom + 2) problems.push([svg.id, text.textContent]);
                }
                for (const node of document.querySelectorAll('td, p, dt, dd, th button, h1, h2'))
                    if (node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).display !== 'inline')
                        problems.push([node.tagName, node.textContent.slice(0, 60)]);
                if (document.body.innerText.includes('\\u2026')) problems.push(['an ellipsis']);
                return problems; })()";
            assert_eq!(browser.eval(script), serde_json::json!([]), "{} wide", screen.width);
        }
    }
}

#[test]
fn a_hostile_name_is_only_a_name() {
    let mut browser = Browser::open(&Layers::get().builds, DESK);
    browser.eval("document.querySelector('#tree td button').click()");
    let names = browser.text(
        "[...document.querySelectorAll('#tree td:first-child')].map((cell) => cell.textContent).join('\\n')",
    );
    assert!(names.contains(&HOSTILE.replace('/', "_")), "{names}");
    assert_eq!(browser.eval("document.querySelectorAll('img').length"), 0);
    assert_eq!(browser.eval("document.querySelectorAll('script').length"), 2);
}
