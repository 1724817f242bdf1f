//! `cargo xtask measure`: the size and shape of the tree, by package and in total.

mod functions;
mod lines;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crate::modules::{Tree, circles, rooms};
use crate::packages::Package;
use crate::sources::Source;
use lines::Lines;

/// What is known of a package, or of all.
#[derive(Debug, Default)]
struct Measured {
    files: usize,
    lines: Lines,
    arrows: usize,
    /// Findings of the rooms' table.
    upward: usize,
    circles: usize,
    long_functions: Vec<String>,
    /// Lines and path of the longest file.
    longest: (usize, String),
}

impl Measured {
    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.lines.add(other.lines);
        self.arrows += other.arrows;
        self.upward += other.upward;
        self.circles += other.circles;
        self.long_functions.extend_from_slice(&other.long_functions);
        if other.longest.0 > self.longest.0 {
            self.longest = other.longest.clone();
        }
    }
}

/// The report.
pub(crate) fn report(packages: &[Package], sources: &[Source]) -> String {
    let mut total = Measured::default();
    let mut rows = vec![HEAD.map(str::to_owned)];
    for package in packages {
        let measured = measure(package, sources);
        rows.push(row(&package.name, &measured));
        total.add(&measured);
    }
    rows.push(row("total", &total));
    let mut report = table(&rows);
    report.push_str(LEGEND);
    let _ = writeln!(report, "module arrows: {}", total.arrows);
    let _ = writeln!(report, "upward arrows: {}", or_none(total.upward));
    let _ = writeln!(report, "circles of modules: {}", or_none(total.circles));
    let _ = writeln!(report, "longest file: {} ({} lines)", total.longest.1, total.longest.0);
    let long = total.long_functions.len();
    let _ = writeln!(report, "functions over {} lines: {}", functions::MAX_LINES, or_none(long));
    for function in &total.long_functions {
        let _ = writeln!(report, "  {function}");
    }
    report
}

fn measure(package: &Package, sources: &[Source]) -> Measured {
    let by_path: BTreeMap<&Path, &Source> = sources.iter().map(|source| (source.path.as_path(), source)).collect();
    let trees: Vec<_> = package.roots.iter().map(|root| (root, Tree::read(root, &by_path))).collect();
    let mut measured = Measured::default();
    for (root, tree) in &trees {
        measured.arrows += circles::count_arrows(tree);
        measured.circles += circles::check(&package.name, tree).len();
        if package.has_rooms(root) {
            measured.upward += rooms::check(&package.name, tree).len();
        }
    }
    let test_files: BTreeSet<_> = trees.iter().flat_map(|(_, tree)| tree.test_files()).collect();
    let all_tests = package.folder == Path::new("tests");
    for source in sources.iter().filter(|source| source.path.starts_with(&package.folder)) {
        let test =
            all_tests || source.path.starts_with(package.folder.join("tests")) || test_files.contains(&*source.path);
        let lines = lines::count(source, test);
        let longest = (lines.all, source.path.display().to_string());
        let long_functions = functions::long(source);
        measured.add(&Measured { files: 1, lines, longest, long_functions, ..Measured::default() });
    }
    measured
}

const LEGEND: &str = concat!(
    "\ncomments: of code and comment lines; tests: lines for tests, and their ratio to all other lines; ",
    "arrows: between sibling modules\n\n"
);
const HEAD: [&str; 9] =
    ["package", "files", "lines", "code", "comments", "tests", "test ratio", "arrows", "longest file"];

fn row(name: &str, measured: &Measured) -> [String; 9] {
    let lines = measured.lines;
    let file = measured.longest.1.rsplit_once("/src/").map_or(measured.longest.1.as_str(), |(_, file)| file);
    [
        name.to_owned(),
        measured.files.to_string(),
        lines.all.to_string(),
        lines.code.to_string(),
        format!("{}%", rounded(100 * lines.comment, lines.code + lines.comment)),
        lines.test.to_string(),
        ratio(lines.test, lines.all - lines.test),
        measured.arrows.to_string(),
        format!("{} {file}", measured.longest.0),
    ]
}

/// Lines of tests for each other line, with two digits.
fn ratio(tests: usize, others: usize) -> String {
    if others == 0 {
        return "-".to_owned();
    }
    let hundredths = rounded(100 * tests, others);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn rounded(dividend: usize, divisor: usize) -> usize {
    (dividend + divisor / 2).checked_div(divisor).unwrap_or(0)
}

fn or_none(count: usize) -> String {
    if count == 0 { "none".to_owned() } else { count.to_string() }
}

/// Columns under each other: the first and the last begin alike, numbers end alike.
fn table(rows: &[[String; 9]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| match column {
            0 => format!("{cell:<0$}", width(0)),
            8 => cell.clone(),
            _ => format!("{cell:>0$}", width(column)),
        });
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_measured_with_its_tests() {
        let source = |path: &str, text: &str| Source::parse(path.into(), text.into()).unwrap();
        let sources = [
            source("services/order/src/app.rs", "//! a\nuse crate::grpc::G;\n"),
            source("services/order/src/grpc.rs", "//! a\nuse crate::app::A;\n"),
            source("services/order/src/lib.rs", "//! a\nmod app;\nmod grpc;\n#[cfg(test)]\nmod simulated;\n"),
            source("services/order/src/simulated.rs", "//! a\nfn f() {}\n"),
            source("services/order/tests/it/main.rs", "//! a\n\nfn g() {}\n"),
            source("services/other/src/lib.rs", "//! a\n"),
        ];
        let roots = vec!["services/order/src/lib.rs".into()];
        let (name, folder) = ("order".to_owned(), "services/order".into());
        let measured = measure(&Package { name, folder, dependencies: Vec::new(), roots }, &sources);
        assert_eq!(measured.files, 5);
        assert_eq!(measured.lines, Lines { all: 14, code: 8, comment: 5, test: 7 });
        assert_eq!((measured.arrows, measured.upward, measured.circles), (2, 1, 1));
        assert_eq!(measured.longest, (5, "services/order/src/lib.rs".to_owned()));
    }

    #[test]
    fn shares_are_rounded() {
        assert_eq!(ratio(1, 3), "0.33");
        assert_eq!(ratio(2, 3), "0.67");
        assert_eq!(ratio(5, 0), "-");
        assert_eq!(rounded(1, 0), 0);
    }
}
