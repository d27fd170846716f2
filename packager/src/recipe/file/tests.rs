//! Recipes as people write them, rightly and wrongly.

use super::*;
use crate::recipe::Contents;

fn parse(text: &str) -> Result<Recipe, RecipeError> {
    Recipe::from_toml(text, Path::new("/recipes"))
}

#[test]
fn the_template_is_the_default_recipe() {
    assert_eq!(parse(TEMPLATE).unwrap(), Recipe::default());
}

/// Every key that the template explains is one that is known: it is a recipe without the marks of its examples, too.
#[test]
fn the_templates_examples_are_read() {
    let text: String = TEMPLATE
        .lines()
        .map(|line| line.strip_prefix("#: ").unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let recipe = parse(&text).unwrap();
    assert_eq!(recipe.kernel, KernelSource::Root("/srv/target".into()));
    assert_eq!(recipe.entries.len(), 4);
    assert_eq!(
        recipe.entries[1].contents,
        Contents::File("/recipes/motd".into())
    );
    assert_eq!(recipe.entries[0].permissions, Some(0o700));
    assert_eq!(recipe.goals, ["usb-storage", "keyboard"]);
    assert_eq!(recipe.steps[0].before, "wait");
    assert_eq!(recipe.compression.unwrap().level, Some(19));
}

/// REVISE=1 writes it.
#[test]
fn the_schema_is_the_one_of_data() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/recipe/schema.json");
    if std::env::var_os("REVISE").is_some() {
        std::fs::write(&path, schema()).unwrap();
    }
    assert_eq!(schema(), std::fs::read_to_string(path).unwrap());
}

/// What the template explains, the schema has, and the other way round.
#[test]
fn the_template_explains_every_key_of_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let keys = schema["properties"].as_object().unwrap().keys();
    let is_explained = |key: &String| {
        TEMPLATE.lines().any(|line| {
            let line = line.trim_start_matches("#: ");
            line.starts_with(&format!("{key} =")) || line.trim_matches(['[', ']']) == key
        })
    };
    let missing: Vec<_> = keys.filter(|key| !is_explained(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn unknown_keys_are_told_with_place_and_suggestion() {
    let error = parse("modules = []\n\n[kernel]\n  vresion = \"6.1\"\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "4:3: unknown key `vresion`; did you mean `version`?"
    );
    let error = parse("zzzzzzzzzz = 1\n").unwrap_err();
    assert!(
        error.to_string().contains("known here: kernel, modules"),
        "{error}"
    );
    let error = parse("modules = 3\n").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("1:11: a list in brackets is needed here, not `3`"),
        "{error}"
    );
    assert!(parse("modules = [\n").is_err());
}

#[test]
fn values_that_contradict_are_refused() {
    for (text, told) in [
        ("compress = \"rar\"\n", "1:12: `rar` is none of gzip, xz,"),
        (
            "compress = \"gzp\"\n",
            "1:12: there is no `gzp`; did you mean `gzip`?",
        ),
        ("level = 3\n", "1:9: `level` needs a compressor"),
        (
            "compress = \"gzip\"\nlevel = 12\n",
            "2:9: gzip has levels 0 to 9, not 12",
        ),
        (
            "segments = \"two\"\n",
            "1:12: `two` is none of several, one",
        ),
        ("load = \"some\"\n", "1:8: `some` is none of all, devices"),
        ("module-files = \"xz\"\n", "1:16: `xz` is none of plain, "),
        (
            "size-limit = -1\n",
            "1:14: a number of bytes, or one with K, M or G",
        ),
        (
            "size-limit = \"64 MB\"\n",
            "1:14: a number of bytes, or one with K, M or G",
        ),
        (
            "size-limit = true\n",
            "1:14: a number of bytes, or one with K, M or G",
        ),
        (
            "[[step]]\nbefore = \"lunch\"\nname = \"x\"\ntext = \"\"\n",
            "2:10: `lunch` is none of modules, ",
        ),
        (
            "[[step]]\nbefore = \"wait\"\nname = \"a/b\"\ntext = \"\"\n",
            "3:8: a name is made of",
        ),
        (
            "\n[[step]]\nbefore = \"wait\"\nname = \"x\"\n",
            "2:1: either `source` or `text`",
        ),
        (
            "[kernel]\nroot = \"/\"\ndeb = \"x.deb\"\n",
            "1:1: `root` excludes `deb`",
        ),
        (
            "[kernel]\nversion = \"1\"\nimage = \"x\"\n",
            "1:1: `version` excludes `image`",
        ),
        (
            "[[file]]\npath = \"/x\"\n",
            "1:1: either `source` or `text`",
        ),
        (
            "[[file]]\npath = \"x\"\ntext = \"\"\n",
            "2:8: a path in the image begins with `/`",
        ),
        ("[[file]]\ntext = \"\"\n", "1:1: `path` is missing"),
        (
            "[file]\npath = \"/x\"\ntext = \"\"\n",
            "1:1: a table stands where there may be several",
        ),
        (
            "[[file]]\npath = \"/x\"\ntext = \"\"\nmode = \"888\"\n",
            "4:8: `888` is no octal number",
        ),
        (
            "[[directory]]\npath = \"/x\"\nmode = 755\n",
            "3:8: a text in quotes is needed here, not `755`",
        ),
        ("[[symlink]]\npath = \"/x\"\n", "1:1: `target` is missing"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with(told), "{text}{error}");
    }
}
