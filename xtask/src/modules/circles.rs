//! Circles between sibling modules: those of the root, and those of each folder.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{ModulePath, Target, Tree, Use};

/// The arrows between the children of one module, each with the first use that makes it.
type Arrows<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a Use>>;

/// The arrows between siblings, by their parent.
fn arrows(uses: &[Use]) -> BTreeMap<&[String], Arrows<'_>> {
    let mut arrows: BTreeMap<&[String], Arrows<'_>> = BTreeMap::new();
    for of in uses.iter().filter(|of| !of.test) {
        let Target::Own { module: to, .. } = &of.to else { continue };
        let common = of.from.iter().zip(to).take_while(|(a, b)| a == b).count();
        if let (Some(from), Some(to)) = (of.from.get(common), to.get(common)) {
            let siblings = arrows.entry(&of.from[..common]).or_default();
            siblings.entry(from).or_default().entry(to).or_insert(of);
        }
    }
    arrows
}

/// How many arrows between siblings a crate has.
pub(crate) fn count_arrows(tree: &Tree) -> usize {
    arrows(tree.uses()).values().flat_map(BTreeMap::values).map(BTreeMap::len).sum()
}

/// The circles of a crate: for each arrow that lies on one, the shortest; none twice.
pub(crate) fn check(name: &str, tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (parent, arrows) in arrows(tree.uses()) {
        let mut circles = BTreeSet::new();
        for (from, targets) in &arrows {
            for to in targets.keys() {
                circles.extend(way(&arrows, to, from).map(from_the_least));
            }
        }
        let mut circles: Vec<_> = circles.into_iter().collect();
        circles.sort_by_key(Vec::len);
        findings.extend(circles.iter().map(|circle| describe(name, parent, &arrows, circle)));
    }
    findings
}

/// The shortest way along the arrows, both ends included.
fn way<'a>(arrows: &Arrows<'a>, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut ways = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::from([from]);
    while let Some(way) = ways.pop_front() {
        let last = way.last().copied().unwrap_or(from);
        if last == to {
            return Some(way);
        }
        for next in arrows.get(last).into_iter().flat_map(BTreeMap::keys).copied() {
            if seen.insert(next) {
                ways.push_back([way.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

/// The same circle, begun at the first of its names by alphabet, so that it is known again.
fn from_the_least(mut circle: Vec<&str>) -> Vec<&str> {
    let least = (0..circle.len()).min_by_key(|&position| circle[position]).unwrap_or(0);
    circle.rotate_left(least);
    circle
}

fn describe(name: &str, parent: &[String], arrows: &Arrows<'_>, circle: &[&str]) -> String {
    let inside: ModulePath = std::iter::once(name.to_owned()).chain(parent.iter().cloned()).collect();
    let steps = circle.iter().zip(circle.iter().cycle().skip(1));
    let steps = steps.filter_map(|(from, to)| arrows.get(from)?.get(to).map(|of| (from, to, of)));
    let steps: Vec<_> =
        steps.map(|(from, to, of)| format!("{from} -> {to} ({}:{})", of.file.display(), of.line)).collect();
    format!("circle of modules in {}: {}", inside.join("::"), steps.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use super::*;

    const ROOT: (&str, &str) = ("lib.rs", "mod a; mod b; mod c;");

    #[test]
    fn a_circle_of_two_is_found() {
        let tree = tree(&[ROOT, ("a.rs", "\nuse crate::b::B;"), ("b.rs", "fn f() { super::a::f(); }"), ("c.rs", "")]);
        let expected = "circle of modules in x: a -> b (src/a.rs:2), b -> a (src/b.rs:1)";
        assert_eq!(check("x", &tree), [expected]);
        assert_eq!(count_arrows(&tree), 2);
    }

    #[test]
    fn a_circle_of_three_is_found_once() {
        let a_to_b = ("a.rs", "use crate::b::B;");
        let tree = tree(&[ROOT, a_to_b, ("b.rs", "use crate::c::C;"), ("c.rs", "use crate::a::A;")]);
        let findings = check("x", &tree);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].contains("a -> b (src/a.rs:1), b -> c (src/b.rs:1), c -> a (src/c.rs:1)"), "{findings:?}");
    }

    #[test]
    fn a_circle_in_a_folder_is_found_through_its_own_re_exports() {
        let folder = ("a/mod.rs", "mod p; mod q; pub use q::Q;");
        let tree = tree(&[ROOT, folder, ("a/p.rs", "use super::Q;"), ("a/q.rs", "use crate::a::p::P;")]);
        assert_eq!(check("x", &tree), ["circle of modules in x::a: p -> q (src/a/p.rs:1), q -> p (src/a/q.rs:1)"]);
    }

    #[test]
    fn children_parents_and_tests_make_no_circle() {
        let a = ("a/mod.rs", "mod p; use p::P; pub struct A;");
        let p = ("a/p.rs", "use super::A; use crate::b::B; #[cfg(test)] mod tests { use crate::c::C; }");
        let tree = tree(&[ROOT, a, p, ("b.rs", "#[cfg(test)] use crate::a::A;"), ("c.rs", "use crate::a::A;")]);
        assert_eq!(check("x", &tree), [""; 0]);
        assert_eq!(count_arrows(&tree), 2);
    }
}
