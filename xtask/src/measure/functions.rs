//! Finds long functions.

use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, Signature, TraitItemFn};

use crate::sources::Source;

/// The longest function, in lines from `fn` to the closing brace; the aim is 50.
pub(super) const MAX_LINES: usize = 70;

/// The functions of a file that are longer than that, as `file:line name (lines)`.
pub(super) fn long(source: &Source) -> Vec<String> {
    let mut functions = Functions { source, long: Vec::new() };
    functions.visit_file(&source.syntax);
    functions.long
}

struct Functions<'a> {
    source: &'a Source,
    long: Vec<String>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &Signature, block: &Block) {
        let start = signature.fn_token.span.start().line;
        let lines = block.brace_token.span.close().end().line + 1 - start;
        if lines > MAX_LINES {
            self.long.push(format!("{}:{start} {} ({lines} lines)", self.source.path.display(), signature.ident));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_more_than_70_lines_are_named() {
        let long_of = |lines: usize| {
            let body = "\n".repeat(lines - 1);
            let text = format!("fn a() {{}}\nimpl X {{\n/// d\n#[inline]\npub fn f() {{{body}}}\n}}\n");
            long(&Source::parse("a.rs".into(), text).unwrap())
        };
        assert_eq!(long_of(70), [""; 0]);
        assert_eq!(long_of(71), ["a.rs:5 f (71 lines)"]);
    }
}
