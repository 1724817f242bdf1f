//! Counts the lines of a file: code, comments, and those for tests.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::Item;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::modules::{attributes, is_for_tests};
use crate::sources::Source;

/// The lines of some files, by kind. Blank lines are neither code nor comment.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) all: usize,
    pub(super) code: usize,
    /// Documentation included.
    pub(super) comment: usize,
    /// Of all lines: those of test files, test modules and test functions.
    pub(super) test: usize,
}

impl Lines {
    pub(super) fn add(&mut self, other: Self) {
        self.all += other.all;
        self.code += other.code;
        self.comment += other.comment;
        self.test += other.test;
    }
}

/// Counts a file; with `test`, all of it is for tests.
pub(super) fn count(source: &Source, test: bool) -> Lines {
    let in_literals = lines_in_literals(source.tokens.clone());
    let mut lines = Lines::default();
    for (index, line) in source.text.lines().enumerate() {
        let line = line.trim_start();
        lines.all += 1;
        if line.starts_with("//") && !in_literals.contains(&(index + 1)) {
            lines.comment += 1;
        } else if !line.is_empty() {
            lines.code += 1;
        }
    }
    let mut for_tests = ForTests(BTreeSet::new());
    for_tests.visit_file(&source.syntax);
    lines.test = if test { lines.all } else { for_tests.0.len() };
    lines
}

/// The lines on which a literal goes on: `//` in them is text.
fn lines_in_literals(tokens: TokenStream) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    let mut streams = vec![tokens];
    while let Some(stream) = streams.pop() {
        for token in stream {
            match token {
                TokenTree::Group(group) => streams.push(group.stream()),
                TokenTree::Literal(literal) => {
                    let span = literal.span();
                    lines.extend(span.start().line + 1..=span.end().line);
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
    lines
}

/// The lines of the items that are compiled for tests only.
struct ForTests(BTreeSet<usize>);

impl<'ast> Visit<'ast> for ForTests {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).iter().any(is_for_tests) {
            let span = item.span();
            self.0.extend(span.start().line..=span.end().line);
        } else {
            visit::visit_item(self, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Lines {
        count(&Source::parse("a.rs".into(), text.into()).unwrap(), false)
    }

    #[test]
    fn code_comments_and_blank_lines_are_told_apart() {
        let text = "//! x\n\n/// y\nfn f() {} // z\n    // w\nconst URL: &str = \"a\n    // text\n\";\n";
        assert_eq!(of(text), Lines { all: 8, code: 4, comment: 3, test: 0 });
    }

    #[test]
    fn lines_of_tests_are_counted_with_their_attributes() {
        let text = "fn f() {}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn g() {}\n}\n";
        assert_eq!(of(text).test, 5);
        assert_eq!(count(&Source::parse("a.rs".into(), text.into()).unwrap(), true).test, 6);
    }
}
