//! Collects the modules of a crate and every path that their code names: in `use` trees, in expressions, types and
//! patterns, in the tokens of macros, and in attributes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItem, Item, ItemMod, ItemUse, Macro, Meta, TraitItem, UseTree, Visibility};

use super::{Module, ModulePath, Named};
use crate::sources::Source;

/// Modules whose files are still to be read.
struct Pending {
    module: ModulePath,
    /// The folder of the declaring module's children.
    folder: PathBuf,
    test: bool,
}

/// The modules of the crate with this root file. Files that are missing are left to the compiler.
pub(super) fn collect(root: &Path, sources: &BTreeMap<&Path, &Source>) -> BTreeMap<ModulePath, Module> {
    let mut modules = BTreeMap::new();
    let folder = root.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut pending = Vec::new();
    if let Some(source) = sources.get(root) {
        read(source, Vec::new(), folder, false, &mut modules, &mut pending);
    }
    while let Some(Pending { module, folder, test }) = pending.pop() {
        let Some(name) = module.last() else { continue };
        let candidates = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
        if let Some(source) = candidates.iter().find_map(|path| sources.get(path.as_path())) {
            read(source, module.clone(), folder.join(name), test, &mut modules, &mut pending);
        }
    }
    modules
}

fn read(
    source: &Source,
    module: ModulePath,
    folder: PathBuf,
    test: bool,
    modules: &mut BTreeMap<ModulePath, Module>,
    pending: &mut Vec<Pending>,
) {
    let own = modules.entry(module.clone()).or_default();
    (own.file, own.test) = (Some(source.path.clone()), test);
    let mut collector = Collector { source, module, folder, test, blocks: 0, modules, pending };
    collector.visit_file(&source.syntax);
}

struct Collector<'a> {
    source: &'a Source,
    /// The module that is being read.
    module: ModulePath,
    /// The folder of its children.
    folder: PathBuf,
    /// Whether it, or the item that is being read, is compiled for tests only.
    test: bool,
    /// How many blocks of code deep the item is: a `use` in a function is no name of the module.
    blocks: usize,
    modules: &'a mut BTreeMap<ModulePath, Module>,
    pending: &'a mut Vec<Pending>,
}

impl Collector<'_> {
    fn name(&mut self, segments: Vec<String>, line: usize) {
        let named = Named { segments, file: self.source.path.clone(), line, test: self.test };
        self.modules.entry(self.module.clone()).or_default().names.push(named);
    }

    /// Reads an item with these attributes.
    fn within(&mut self, attributes: &[Attribute], read: impl FnOnce(&mut Self)) {
        let outer = self.test;
        self.test |= attributes.iter().any(is_for_tests);
        read(self);
        self.test = outer;
    }

    /// Each path of a `use` tree, and the name that it gets.
    fn flatten(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.flatten(&path.tree, before);
                before.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.flatten(tree, before)),
            UseTree::Name(name) => self.import(before, &name.ident, &name.ident.to_string()),
            UseTree::Rename(rename) => self.import(before, &rename.ident, &rename.rename.to_string()),
            UseTree::Glob(glob) => self.name(before.clone(), glob.star_token.span.start().line),
        }
    }

    fn import(&mut self, before: &[String], ident: &syn::Ident, name: &str) {
        let mut segments = before.to_vec();
        let mut name = name.to_owned();
        if ident == "self" {
            if name == "self" {
                name = segments.last().cloned().unwrap_or_default();
            }
        } else {
            segments.push(ident.to_string());
        }
        self.name(segments.clone(), ident.span().start().line);
        if self.blocks == 0 {
            self.modules.entry(self.module.clone()).or_default().imports.insert(name, segments);
        }
    }

    /// The paths in tokens that are not parsed further, each behind `prefix`. With `strings`, literals that hold a path
    /// count, too.
    fn scan(&mut self, tokens: TokenStream, prefix: &[String], strings: bool) {
        let (mut path, mut line, mut colons) = (prefix.to_vec(), 0, 0);
        for token in tokens {
            if let TokenTree::Punct(punct) = &token
                && punct.as_char() == ':'
            {
                colons += 1;
                continue;
            }
            let continues = colons == 2 && path.len() > prefix.len();
            colons = 0;
            if let TokenTree::Ident(ident) = &token {
                if !continues {
                    self.end(&mut path, prefix, line);
                    line = ident.span().start().line;
                }
                path.push(ident.to_string());
                continue;
            }
            match token {
                // `a::{b, c}`
                TokenTree::Group(group) if continues && group.delimiter() == Delimiter::Brace => {
                    self.scan(group.stream(), &std::mem::replace(&mut path, prefix.to_vec()), strings);
                }
                TokenTree::Group(group) => self.scan(group.stream(), &[], strings),
                TokenTree::Literal(literal) if strings => self.literal(&literal),
                _ => {}
            }
            self.end(&mut path, prefix, line);
        }
        self.end(&mut path, prefix, line);
    }

    /// The end of a path, if there is one.
    fn end(&mut self, path: &mut Vec<String>, prefix: &[String], line: usize) {
        if path.len() > prefix.len() {
            self.path(std::mem::replace(path, prefix.to_vec()), line);
        }
    }

    /// A path in an attribute's string, as in `#[serde(with = "crate::time")]`.
    fn literal(&mut self, literal: &Literal) {
        if let Ok(path) = syn::parse_str::<syn::Path>(literal.to_string().trim_matches('"')) {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.path(segments, literal.span().start().line);
        }
    }

    /// A path in code. A single segment is a local name.
    fn path(&mut self, segments: Vec<String>, line: usize) {
        if segments.len() > 1 {
            self.name(segments, line);
        }
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        self.within(attributes(item), |collector| visit::visit_item(collector, item));
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs[..],
            ImplItem::Fn(item) => &item.attrs[..],
            ImplItem::Type(item) => &item.attrs[..],
            ImplItem::Macro(item) => &item.attrs[..],
            _ => &[],
        };
        self.within(attributes, |collector| visit::visit_impl_item(collector, item));
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attributes = match item {
            TraitItem::Fn(item) => &item.attrs[..],
            _ => &[],
        };
        self.within(attributes, |collector| visit::visit_trait_item(collector, item));
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        item.attrs.iter().for_each(|attribute| self.visit_attribute(attribute));
        let name = item.ident.to_string();
        let test = self.test || name == "tests";
        let mut module = self.module.clone();
        module.push(name.clone());
        self.modules.entry(module.clone()).or_default().test = test;
        let Some((_, items)) = &item.content else {
            self.pending.push(Pending { module, folder: self.folder.clone(), test });
            return;
        };
        let outer = (self.module.clone(), self.folder.clone(), self.test, self.blocks);
        (self.module, self.folder, self.test, self.blocks) = (module, self.folder.join(name), test, 0);
        items.iter().for_each(|item| self.visit_item(item));
        (self.module, self.folder, self.test, self.blocks) = outer;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.flatten(&item.tree, &mut Vec::new());
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.blocks += 1;
        visit::visit_block(self, block);
        self.blocks -= 1;
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let Some(first) = path.segments.first() {
            self.path(segments, first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    /// `pub(in crate::a)` says who may look, not what is used.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.scan(call.tokens.clone(), &[], false);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        match &attribute.meta {
            Meta::List(list) => {
                self.visit_path(&list.path);
                self.scan(list.tokens.clone(), &[], true);
            }
            Meta::Path(path) => self.visit_path(path),
            _ => {} // documentation, for the most part
        }
    }
}

/// Whether an item with this attribute is compiled for tests only.
pub(crate) fn is_for_tests(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last().map(|segment| segment.ident.to_string());
    match &attribute.meta {
        Meta::List(list) if last.as_deref() == Some("cfg") => list.tokens.to_string() == "test",
        _ => last.as_deref() == Some("test"),
    }
}

/// The attributes of an item.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
