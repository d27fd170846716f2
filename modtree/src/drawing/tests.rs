use super::*;
use crate::testing::Root;
use crate::{ClosureOptions, Tree, closure};

fn found() -> Closure {
    let root = Root::new("1.0");
    root.module("kernel/vfat.ko", "depends=fat,base\nsoftdep=pre: nls\n");
    root.module("kernel/fat.ko", "depends=base\nsoftdep=post: vfat\n");
    root.module("kernel/base.ko", "depends=low\n");
    root.module("kernel/low.ko", "depends=\n");
    root.module("kernel/nls.ko", "depends=low\n");
    let tree = Tree::open(&root.dir).unwrap();
    closure(&tree, &["vfat", "nls"], &ClosureOptions::default()).unwrap()
}

#[test]
fn a_tree_shows_each_module_with_its_needs_once() {
    let expected = "\
vfat
├── fat
│   ├── base
│   │   └── low
│   └── vfat [softdep post] (*)
├── base (*)
└── nls [softdep pre]
    └── low
nls (*)
";
    assert_eq!(tree(&found()), expected);
}

#[test]
fn graphviz_gets_every_edge() {
    let expected = "\
digraph modules {
\trankdir=LR;
\tnode [shape=box];
\t\"vfat\" [style=bold];
\t\"nls\" [style=bold];
\t\"fat\";
\t\"base\";
\t\"low\";
\t\"vfat\" -> \"fat\";
\t\"vfat\" -> \"base\";
\t\"vfat\" -> \"nls\" [style=dashed];
\t\"nls\" -> \"low\";
\t\"fat\" -> \"base\";
\t\"fat\" -> \"vfat\" [style=dashed];
\t\"base\" -> \"low\";
}
";
    assert_eq!(dot(&found()), expected);
}

#[test]
fn a_picture_has_every_module_and_no_edge_that_follows_from_others() {
    let picture = svg(&found()).unwrap();
    for name in ["vfat", "fat", "base", "low", "nls"] {
        assert!(picture.contains(&format!(">{name}</text>")), "{name}");
    }
    // vfat -> fat -> base -> low, nls -> low; of the legend one more each.
    assert_eq!(picture.matches("class=\"hard\"").count(), 4 + 1);
    assert_eq!(picture.matches("class=\"soft\"").count(), 2 + 1);
    assert_eq!(picture.matches("class=\"asked\"").count(), 2);
    // The softdep of fat closes a cycle: its head is at the left end.
    assert_eq!(picture.matches("marker-start").count(), 1);
    assert!(picture.contains("<title>fat uses its symbols</title>"));
    assert_eq!(picture, svg(&found()).unwrap());
}

#[test]
fn a_closure_of_thousands_is_refused() {
    let mut large = found();
    for number in 0..MOST {
        large.graph.add(&ModuleName::new(&format!("m{number}")));
    }
    assert_eq!(svg(&large), Err(TooMany(MOST + 5)));
}
