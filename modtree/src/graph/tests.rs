use super::*;

fn graph(edges: &[(&str, ReasonKind, &str)]) -> Graph {
    let mut graph = Graph::default();
    for &(from, kind, to) in edges {
        let (a, _) = graph.add(&from.into());
        let (b, _) = graph.add(&to.into());
        let by = Some(from.into());
        let asked = to.to_owned();
        graph.connect(
            a,
            b,
            Reason {
                kind,
                by,
                asked,
                rule: None,
            },
        );
    }
    graph
}

fn order(edges: &[(&str, ReasonKind, &str)]) -> Vec<String> {
    let graph = graph(edges);
    let order = graph.load_order().unwrap();
    order
        .into_iter()
        .map(|node| graph.graph[node].to_string())
        .collect()
}

use ReasonKind::{Hard, Runtime, SoftPost, SoftPre};

#[test]
fn dependencies_come_first() {
    assert_eq!(
        order(&[("vfat", Hard, "fat"), ("a", Hard, "vfat")]),
        ["fat", "vfat", "a"]
    );
}

#[test]
fn softdeps_stand_on_their_side() {
    let edges = [("a", Hard, "b"), ("b", SoftPost, "p"), ("a", SoftPre, "s")];
    assert_eq!(order(&edges), ["b", "p", "s", "a"]);
}

#[test]
fn a_softdep_that_needs_its_module_gives_way() {
    assert_eq!(order(&[("a", SoftPre, "b"), ("b", Hard, "a")]), ["a", "b"]);
    assert_eq!(order(&[("a", SoftPre, "b"), ("b", SoftPre, "a")]).len(), 2);
}

#[test]
fn a_post_softdep_waits_for_what_it_uses() {
    let edges = [("a", Hard, "b"), ("b", SoftPost, "p"), ("p", Hard, "a")];
    assert_eq!(order(&edges), ["b", "a", "p"]);
}

#[test]
fn runtime_requests_do_not_order() {
    assert_eq!(
        order(&[("a", Runtime, "b"), ("b", Runtime, "a")]),
        ["a", "b"]
    );
}

#[test]
fn long_chains_come_first_and_equal_ones_by_name() {
    let direct = [
        ("r", Hard, "b"),
        ("r", Hard, "z"),
        ("r", Hard, "a"),
        ("z", Hard, "y"),
    ];
    assert_eq!(order(&direct), ["y", "z", "a", "b", "r"]);
}

#[test]
fn a_cycle_is_named() {
    let edges = [
        ("r", Hard, "b"),
        ("b", Hard, "c"),
        ("c", Hard, "a"),
        ("a", Hard, "b"),
    ];
    let cycle = graph(&edges).hard_cycle().unwrap();
    assert_eq!(cycle, ["a", "b", "c"].map(ModuleName::new));
    let own = graph(&[("a", Hard, "a")]).hard_cycle().unwrap();
    assert_eq!(own, [ModuleName::new("a")]);
}

#[test]
fn a_long_chain_needs_no_stack() {
    let names: Vec<String> = (0..50_000).map(|n| format!("m{n}")).collect();
    let edges: Vec<_> = names
        .windows(2)
        .map(|pair| (&*pair[0], Hard, &*pair[1]))
        .collect();
    assert_eq!(order(&edges)[0], "m49999");
}

proptest::proptest! {
    /// What other hard dependencies imply changes nothing: the lines of `modules.dep` give the order that `depends=` gives.
    #[test]
    fn implied_dependencies_do_not_order(edges in proptest::collection::vec((0_u8..9, 0_u8..9, 0_u8..3), 0..30)) {
        let names: Vec<String> = (0..9).map(|n| format!("m{n}")).collect();
        let kinds = [Hard, SoftPre, SoftPost];
        let edges: Vec<_> = edges.into_iter().filter(|(from, to, kind)| from != to && (*kind != 0 || from < to)).collect();
        let mut needs = [[false; 9]; 9];
        for &(from, to, _) in edges.iter().filter(|(_, _, kind)| *kind == 0) {
            needs[from as usize][to as usize] = true;
        }
        for (through, from, to) in (0..9 * 9 * 9).map(|at| (at / 81, at / 9 % 9, at % 9)) {
            needs[from][to] |= needs[from][through] && needs[through][to];
        }
        let named = |&(from, to, kind): &(u8, u8, u8)| (&*names[from as usize], kinds[kind as usize], &*names[to as usize]);
        // All are roots, in one order.
        let roots = names.iter().map(|name| (&**name, Runtime, &**name));
        let direct: Vec<_> = roots.clone().chain(edges.iter().map(named)).collect();
        let soft = edges.iter().filter(|(_, _, kind)| *kind != 0).map(named);
        let implied = (0..81).filter(|at| needs[at / 9][at % 9]).map(|at| (&*names[at / 9], Hard, &*names[at % 9]));
        let all: Vec<_> = roots.chain(implied).chain(soft).collect();
        proptest::prop_assert_eq!(order(&direct), order(&all));
    }

    /// Hard dependencies always come first, and a softdep does where nothing contradicts it.
    #[test]
    fn every_order_can_be_loaded(edges in proptest::collection::vec((0_u8..20, 0_u8..20, 0_u8..4), 0..60)) {
        let kinds = [Hard, SoftPre, SoftPost, Runtime];
        // Names sort as their numbers do.
        let names: Vec<String> = (0..20).map(|n| format!("m{n:02}")).collect();
        let edges: Vec<_> = edges
            .into_iter()
            .filter(|(from, to, _)| from != to)
            // Hard edges lead to higher numbers only, so that there is no cycle of them.
            .filter(|(from, to, kind)| *kind != 0 || from < to)
            .map(|(from, to, kind)| (&*names[from as usize], kinds[kind as usize], &*names[to as usize]))
            .collect();
        let graph = graph(&edges);
        let order = graph.load_order().unwrap();
        assert_eq!(order.len(), graph.graph.node_count());
        let place = |name: &str| {
            let node = graph.node(&name.into()).unwrap();
            order.iter().position(|&other| other == node).unwrap()
        };
        let contradicted = edges.iter().any(|&(from, kind, to)| kind == SoftPost || kind == SoftPre && from > to);
        for &(from, kind, to) in &edges {
            if kind == Hard || kind == SoftPre && !contradicted {
                assert!(place(to) < place(from), "{from} {kind:?} {to}");
            }
        }
    }
}
