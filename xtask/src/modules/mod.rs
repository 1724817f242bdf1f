//! The arrows between the modules of a crate: which module names an item of which other, and where.

pub(crate) mod circles;
mod collect;
pub(crate) mod rooms;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(crate) use collect::{attributes, is_for_tests};

use crate::sources::Source;

/// The names of the modules from the root of the crate down; the root's is empty.
pub(crate) type ModulePath = Vec<String>;

/// How many re-exports are followed, one after the other, before a name counts as unknown.
const MAX_REEXPORTS: usize = 8;

/// A module, as it is written.
#[derive(Debug, Default)]
struct Module {
    /// Its file, unless it stands within another module.
    file: Option<PathBuf>,
    test: bool,
    /// The names that its `use` items bring in, and their paths.
    imports: BTreeMap<String, Vec<String>>,
    names: Vec<Named>,
}

/// A path in the code.
#[derive(Debug)]
struct Named {
    segments: Vec<String>,
    file: PathBuf,
    line: usize,
    test: bool,
}

/// The use of an item by a module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    /// The module that names the item.
    pub(crate) from: ModulePath,
    pub(crate) to: Target,
    /// In code that is compiled for tests only.
    pub(crate) test: bool,
}

/// What is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// An item of the same crate: the module that the path leads to, and the whole path from the root of the crate.
    Own { module: ModulePath, path: Vec<String> },
    /// An item of another crate.
    Foreign(String),
}

/// The modules of a crate.
#[derive(Debug)]
pub(crate) struct Tree {
    modules: BTreeMap<ModulePath, Module>,
    uses: Vec<Use>,
}

impl Tree {
    /// Reads the crate with this root file.
    pub(crate) fn read(root: &Path, sources: &BTreeMap<&Path, &Source>) -> Self {
        let mut tree = Self { modules: collect::collect(root, sources), uses: Vec::new() };
        tree.uses = tree.resolve();
        tree
    }

    /// The modules of production code that have no parent but the root.
    pub(crate) fn top_level(&self) -> BTreeSet<&str> {
        let production = self.modules.iter().filter(|(_, module)| !module.test);
        production.filter(|(path, _)| path.len() == 1).map(|(path, _)| path[0].as_str()).collect()
    }

    /// The files that are compiled for tests only.
    pub(crate) fn test_files(&self) -> impl Iterator<Item = &Path> {
        self.modules.values().filter(|module| module.test).filter_map(|module| module.file.as_deref())
    }

    /// Everything that is used, sorted by file and line, each item once a line.
    pub(crate) fn uses(&self) -> &[Use] {
        &self.uses
    }

    fn resolve(&self) -> Vec<Use> {
        let mut uses = BTreeSet::new();
        for (from, module) in &self.modules {
            for named in &module.names {
                if let Some(to) = self.target(from, &named.segments) {
                    let (file, line, test) = (named.file.clone(), named.line, named.test || module.test);
                    uses.insert(Use { file, line, from: from.clone(), to, test });
                }
            }
        }
        uses.into_iter().collect()
    }

    /// Where a path leads that stands in the module `from`. None for a local name.
    fn target(&self, from: &[String], segments: &[String]) -> Option<Target> {
        let mut segments = segments.to_vec();
        for _ in 0..MAX_REEXPORTS {
            let Some(path) = self.absolute(from, &segments) else {
                // A path that begins with an imported name: the import is what counts.
                let first = segments.first()?;
                let imported = segments.len() > 1 && self.modules.get(from)?.imports.contains_key(first);
                return (first != "Self" && !imported).then(|| Target::Foreign(first.clone()));
            };
            let depth = (0..=path.len()).rev().find(|&depth| self.modules.contains_key(&path[..depth]))?;
            let module = &path[..depth];
            let imported = path.get(depth).and_then(|name| self.modules[module].imports.get(name));
            // A parent that re-exports is no stop on the way between its children.
            match imported.and_then(|imported| self.absolute(module, imported)) {
                Some(mut imported) if from.starts_with(module) && imported != path => {
                    imported.extend_from_slice(&path[depth + 1..]);
                    segments = std::iter::once("crate".to_owned()).chain(imported).collect();
                }
                _ => return Some(Target::Own { module: module.to_vec(), path }),
            }
        }
        None
    }

    /// The path from the root of the crate, if it is one of this crate.
    fn absolute(&self, from: &[String], segments: &[String]) -> Option<Vec<String>> {
        let (first, rest) = segments.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([from, rest].concat()),
            "super" => {
                let (_, parent) = from.split_last()?;
                let further = rest.first().is_some_and(|segment| segment == "super");
                if further { self.absolute(parent, rest) } else { Some([parent, rest].concat()) }
            }
            _ => {
                let child = [from, std::slice::from_ref(first)].concat();
                self.modules.contains_key(&child).then(|| [from, segments].concat())
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A crate of these files, by their paths from `src/`.
    pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
        let source = |(path, text): &(&str, &str)| Source::parse(Path::new("src").join(path), (*text).into()).unwrap();
        let sources: Vec<_> = files.iter().map(source).collect();
        Tree::read(Path::new("src/lib.rs"), &sources.iter().map(|source| (source.path.as_path(), source)).collect())
    }

    /// The uses in `src/a.rs` of a crate with the modules `a`, `b` and `b::c`, as `line target`.
    fn uses_of(text: &str) -> Vec<String> {
        let root = "mod a; mod b; pub use b::B; use b::c::C as D;";
        let tree = tree(&[("lib.rs", root), ("a.rs", text), ("b/mod.rs", "mod c; pub struct B;"), ("b/c.rs", "")]);
        let of_a = tree.uses().iter().filter(|of| of.file == Path::new("src/a.rs"));
        of_a.map(|of| match &of.to {
            Target::Own { module, path } => format!("{} {} {}", of.line, module.join("::"), path.join("::")),
            Target::Foreign(name) => format!("{} ::{name}", of.line),
        })
        .collect()
    }

    #[test]
    fn paths_are_found_in_use_trees() {
        assert_eq!(uses_of("use crate::b::{self, c::{X, Y as Z}};"), ["1 b b", "1 b::c b::c::X", "1 b::c b::c::Y"]);
        assert_eq!(uses_of("\nuse super::b::B;"), ["2 b b::B"]);
        assert_eq!(uses_of("use crate::b::*;"), ["1 b b"]);
        assert_eq!(uses_of("mod inner { use super::super::b::B; }"), ["1 b b::B"]);
        assert_eq!(uses_of("use {crate::b::B, mongodb::bson::{self, doc}};"), ["1 b b::B", "1 ::mongodb"]);
    }

    #[test]
    fn paths_are_found_in_code() {
        assert_eq!(
            uses_of("fn f(x: crate::b::B) -> Vec<super::b::c::C> {\n todo!()\n}"),
            ["1 b b::B", "1 b::c b::c::C"]
        );
        assert_eq!(
            uses_of("fn f() { if let crate::b::c::X { .. } = y { tonic::call(); } }"),
            ["1 b::c b::c::X", "1 ::tonic"]
        );
        assert_eq!(uses_of("impl crate::b::T for X<{ super::b::N }> {}"), ["1 b b::N", "1 b b::T"]);
        assert_eq!(uses_of("pub(in crate::b) struct X;"), [""; 0]);
        assert_eq!(uses_of("/// [`crate::b::B`]\nfn f() { /* crate::b */ g(\"crate::b::B\"); }"), [""; 0]);
    }

    #[test]
    fn paths_are_found_in_macros_and_attributes() {
        assert_eq!(uses_of("fn f() { vec![1,\n crate::b::c::X, a.b, y?::z()]; }"), ["2 b::c b::c::X"]);
        assert_eq!(uses_of("macro_rules! m { () => { use $crate::b::{B, c::X}; } }"), ["1 b b::B", "1 b::c b::c::X"]);
        assert_eq!(
            uses_of("#[derive(prost::Message)] struct X {\n #[serde(with = \"crate::b::c\")] x: u8 }"),
            ["1 ::prost", "2 b::c b::c"]
        );
    }

    #[test]
    fn a_name_of_the_root_leads_to_the_module_that_has_it() {
        assert_eq!(uses_of("use crate::{B, D};"), ["1 b b::B", "1 b::c b::c::C"]);
        assert_eq!(uses_of("use crate::Other;"), ["1  Other"]);
        assert_eq!(uses_of("use super::B; fn f() { B::new(); }"), ["1 b b::B"]);
    }

    #[test]
    fn code_for_tests_is_marked() {
        let for_tests = |text: &str| {
            let tree = tree(&[("lib.rs", "mod a; mod b;"), ("a.rs", text), ("a/tests.rs", "use crate::b::X;")]);
            tree.uses().iter().all(|of| of.test)
        };
        assert!(for_tests("#[cfg(test)] mod inner { use crate::b::X; }"));
        assert!(for_tests("#[cfg(test)] use crate::b::X;"));
        assert!(for_tests("impl X { #[cfg(test)] fn f() { crate::b::f(); } }"));
        assert!(for_tests("#[tokio::test] fn f() { crate::b::f(); }"));
        assert!(for_tests("#[cfg(test)] mod tests;"));
        assert!(for_tests("mod tests;"));
        assert!(!for_tests("#[cfg(feature = \"x\")] mod inner { use crate::b::X; }"));
    }
}
