use super::*;
use crate::testing::{Root, Synthetic};
use crate::{Closure, ClosureError, ClosureOptions, ReasonKind, Tree, closure};

fn error(asked: &str) -> String {
    let goals = Goals::embedded().unwrap();
    goals.select(asked).unwrap_err().to_string()
}

#[test]
fn every_file_of_the_folder_is_embedded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/goals");
    let files = parse::files(&folder).unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, EMBEDDED.map(|(name, _)| name));
}

#[test]
fn what_cannot_be_asked_for() {
    assert_eq!(
        error("keybord"),
        "no goal `keybord`; did you mean `keyboard`?"
    );
    assert_eq!(error("usb"), "no goal `usb`; did you mean `usb-storage`?");
    assert!(error("zzzzzz").starts_with("no goal `zzzzzz`; there are cdrom, crypt, "));
    assert!(error("").starts_with("no goal ``; there are "));
    assert_eq!(error("nvme:x"), "goal nvme takes nothing behind a colon");
    assert_eq!(
        error("rootfs"),
        "the goal is rootfs:FS: FS is a file system by the name that mount knows, such as ext4"
    );
    for asked in ["rootfs:", "rootfs:*", "rootfs:ext4,", "rootfs:{CONFIG_X}"] {
        let message = error(asked);
        assert!(
            message.starts_with(&format!("`{asked}` is no rootfs:FS: FS is a file system")),
            "{message}"
        );
    }
}

/// A set of goals out of files of a directory.
fn goals(files: &[(&str, &str)]) -> Result<Goals, GoalError> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let mut goals = Goals::default();
    goals.add_dir(dir.path()).map(|()| goals)
}

#[test]
fn files_that_are_not_well_formed() {
    let root = "summary = ''\n[[root]]\nwhy = ''\nfind = ";
    for (name, text, reason) in [
        ("a.toml", "summary = ''", "neither [[root]] nor goals"),
        ("A.toml", "summary = ''", "small letters, digits and dashes"),
        (
            "a.toml",
            &format!("{root}[]"),
            "names nothing to be found by",
        ),
        (
            "a.toml",
            &format!("{root}[{{ provider = {{}} }}]"),
            "names nothing to be found by",
        ),
        ("a.toml", &format!("{root}[{{ file = 'x' }}]"), "file"),
        ("a.toml", "summary = ''\ngoals = ['b']", "no goal `b`"),
        (
            "a.toml",
            "summary = ''\ngoals = ['a']",
            "goal a is part of itself",
        ),
    ] {
        let message = goals(&[(name, text)]).unwrap_err().to_string();
        assert!(message.contains(reason), "{text}: {message}");
    }
}

#[test]
fn a_directory_that_fails_changes_nothing() {
    let mut goals = Goals::embedded().unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("mine.toml"),
        "goals = ['nvme']\nsummary = ''",
    )
    .unwrap();
    std::fs::write(dir.path().join("other.toml"), "?").unwrap();
    goals.add_dir(dir.path()).unwrap_err();
    assert!(goals.get("mine").is_err());
    let error = goals.add_dir(&dir.path().join("none")).unwrap_err();
    assert!(error.is_input(), "{error}");
}

const MOUNT: &str = r#"
    summary = "x"
    [parameter]
    name = "FS"
    meaning = "a file system"
    optional = true
    [[root]]
    why = "{FS} is wanted"
    find = [{ alias = "fs-{FS}" }]
    [[root]]
    why = "whatever there is"
    bare = true
    find = [{ provider = { alias = ["fs-*"], imports = ["mount_bdev"] } }]
    [[root]]
    why = "good to have"
    optional = true
    find = [{ module = "gone" }, { module = "loop" }]
    [[rule]]
    name = "helper"
    reason = "is asked for"
    when = { alias = ["fs-fat"] }
    add = [{ module = "codepage" }]
"#;

fn found(asked: &str) -> Result<Closure, ClosureError> {
    let root = Root::new("1.0");
    for (name, alias) in [("fat", "fs-fat"), ("ext", "fs-ext")] {
        let module = Synthetic {
            imports: vec!["mount_bdev"],
            ..Synthetic::new(&format!("depends=\nalias={alias}\n"))
        };
        root.file(&format!("kernel/{name}.ko"), &module.bytes());
    }
    root.module("kernel/codepage.ko", "depends=\n");
    root.file("modules.builtin", b"kernel/loop.ko\n");
    let options = ClosureOptions {
        goals: vec![
            goals(&[("mount.toml", MOUNT)])
                .unwrap()
                .select(asked)
                .unwrap(),
        ],
        ..ClosureOptions::default()
    };
    closure(&Tree::open(&root.dir).unwrap(), &[], &options)
}

fn names(closure: &Closure) -> Vec<&str> {
    let names = closure.modules.iter().map(|module| module.name.as_str());
    names.collect()
}

#[test]
fn a_goal_brings_its_roots_its_rules_and_its_reasons() {
    let closure = found("mount:fat").unwrap();
    assert_eq!(names(&closure), ["fat", "codepage"]);
    let reason = &closure.modules[0].reasons[0];
    assert_eq!(reason.kind, ReasonKind::Goal);
    assert_eq!(reason.to_string(), "goal mount:fat: fat is wanted");
    assert_eq!(closure.builtins[0].name.as_str(), "loop");
    assert_eq!(closure.notes, [""; 0]);
}

#[test]
fn a_parameter_takes_the_place_of_bare_roots_and_may_have_several_values() {
    assert_eq!(names(&found("mount").unwrap()), ["ext", "fat", "codepage"]);
    assert_eq!(
        names(&found("mount:fat,ext").unwrap()),
        ["fat", "ext", "codepage"]
    );
}

#[test]
fn a_goal_that_cannot_be_met_says_what_is_missing() {
    let message = found("mount:ext5").unwrap_err().to_string();
    assert!(
        message.starts_with("this kernel has nothing for the goal mount:ext5: neither in `")
            && message.ends_with(
                "nor as part of the kernel is there an alias for `fs-ext5`; did you mean `ext`?"
            ),
        "{message}"
    );
}
