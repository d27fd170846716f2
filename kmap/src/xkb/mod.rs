//! XKB layouts as console keymaps: what `ckbcomp` does, without Perl.
//!
//! The crate kbvm reads xkb-data. For every key and every level that a console can have (plain, Shift, AltGr, both), it says
//! which keysym XKB gives; characters become characters, dead keys dead keys, modifiers modifiers. What types nothing comes
//! from `data/layouts/base.kmap`. Control and Alt follow from the ASCII character on the key, or, in other scripts, from the one
//! that a keyboard of the United States has there.
//!
//! The kernel's Caps Lock works on characters of Latin-1 only. Where a layout has other letters, Caps Lock locks left
//! Control (weight 64) instead, and the tables from 64 up hold what XKB gives under its Caps Lock. A second layout is in the
//! tables from 16 up (left Shift), to which XKB's keys for groups lead: `ISO_Next_Group` locks left Shift, `Mode_switch` holds it. The
//! Windows keys are Alt on the console.

mod codes;
mod converter;
mod listed;

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use kbvm::xkb::Context;
use kbvm::xkb::diagnostic::{Diagnostic, DiagnosticHandler};
use kbvm::xkb::rmlvo::Group;

use crate::Keymap;
use codes::{GROUP_LATCH, GROUP_LOCK, GROUP_SHIFT};
use converter::Converter;
use listed::{list, listed, names, variants};

pub use listed::{ListedLayout, ListedVariant, layouts, listed_layouts, options};

/// Where XKB's data is, unless `XKB_CONFIG_ROOT` says otherwise.
const ROOT: &str = "/usr/share/X11/xkb";

/// What XKB calls a layout: rules, model, layout, variant, options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// One layout (`es`), or two (`us,ru`).
    pub layout: String,
    /// Its variant; for two layouts, two with a comma between them. May be empty.
    pub variant: String,
    /// The keyboard's model; `pc105` where there is none.
    pub model: Option<String>,
    /// Options such as `ctrl:nocaps`.
    pub options: Vec<String>,
}

/// Why there is no keymap.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum XkbError {
    /// There is no xkb-data.
    NoData(PathBuf),
    /// There is no such layout.
    NoLayout {
        /// What was asked for.
        layout: String,
        /// One that is listed, with nearly the same name.
        suggestion: Option<String>,
    },
    /// The layout has no such variant.
    NoVariant {
        /// The layout.
        layout: String,
        /// The variant.
        variant: String,
        /// One that is listed, with nearly the same name.
        suggestion: Option<String>,
    },
    /// There is no such option.
    NoOption {
        /// What was asked for.
        option: String,
        /// One that is listed, with nearly the same name.
        suggestion: Option<String>,
    },
    /// There is no such model of a keyboard.
    NoModel {
        /// What was asked for.
        model: String,
        /// One that is listed, with nearly the same name.
        suggestion: Option<String>,
    },
    /// More than two layouts: the console has no room for them.
    TooManyLayouts,
    /// The data cannot be used, for the reason that is given.
    Data(String),
}

impl fmt::Display for XkbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            XkbError::NoData(root) => write!(
                f,
                "there are no XKB layouts in `{}`; on Debian and Ubuntu they are in the package xkb-data",
                root.display()
            ),
            XkbError::NoLayout { layout, suggestion } => {
                write!(f, "there is no XKB layout `{layout}`; ")?;
                match (layout.split_once('('), suggestion) {
                    (Some((layout, _)), _) => {
                        write!(f, "a variant of `{layout}` is a word of its own behind it")
                    }
                    (None, Some(suggestion)) => write!(f, "did you mean `{suggestion}`?"),
                    (None, None) => f.write_str("`kmapc list --xkb` shows what there is"),
                }
            }
            XkbError::NoVariant {
                layout,
                variant,
                suggestion,
            } => {
                write!(f, "the XKB layout `{layout}` has no variant `{variant}`; ")?;
                match suggestion {
                    Some(suggestion) => write!(f, "did you mean `{suggestion}`?"),
                    None => write!(f, "`kmapc list --xkb {layout}` shows what there is"),
                }
            }
            XkbError::NoOption { option, suggestion } => {
                write!(f, "there is no XKB option `{option}`; ")?;
                match suggestion {
                    Some(suggestion) => write!(f, "did you mean `{suggestion}`?"),
                    None => f.write_str("the file rules/evdev.lst of xkb-data lists them"),
                }
            }
            XkbError::NoModel { model, suggestion } => {
                write!(f, "there is no XKB model `{model}`; ")?;
                match suggestion {
                    Some(suggestion) => write!(f, "did you mean `{suggestion}`?"),
                    None => f.write_str("the file rules/evdev.lst of xkb-data lists them"),
                }
            }
            XkbError::TooManyLayouts => f.write_str("a console keymap has room for two layouts"),
            XkbError::Data(reason) => write!(f, "cannot use the XKB layouts: {reason}"),
        }
    }
}

impl std::error::Error for XkbError {}

/// A keymap made of a layout, and the characters that no key of a console can have.
#[derive(Debug)]
pub struct Converted {
    /// The keymap, in Unicode mode.
    pub keymap: Keymap,
    /// What was left out: code points above U+EFFF, and control characters that XKB gives to keys by mistake.
    pub left_out: Vec<char>,
}

impl Converted {
    /// Whether a key switches to the second layout; without one, there is no way to it.
    pub fn has_switch(&self) -> bool {
        let plain = self.keymap.tables().filter(|(map, _)| *map < 16);
        plain
            .flat_map(|(_, table)| table.iter())
            .any(|keysym| [GROUP_SHIFT, GROUP_LATCH, GROUP_LOCK].contains(&keysym.0))
    }
}

/// Makes a console keymap of an XKB layout of the installed xkb-data.
///
/// ```no_run
/// use kmap::xkb::{Layout, convert};
///
/// let layout = Layout { layout: "es".to_owned(), ..Layout::default() };
/// let keymap = convert(&layout)?.keymap;
/// assert_eq!(keymap.get(2, 18).and_then(|keysym| keysym.character()), Some('€'));
/// # Ok::<(), kmap::xkb::XkbError>(())
/// ```
///
/// # Errors
/// See [`XkbError`].
pub fn convert(layout: &Layout) -> Result<Converted, XkbError> {
    let root = root();
    if !root.join("symbols").is_dir() {
        return Err(XkbError::NoData(root));
    }
    let layouts: Vec<&str> = layout.layout.split(',').collect();
    if layouts.len() > 2 {
        return Err(XkbError::TooManyLayouts);
    }
    let variants = layout.variant.split(',').chain(std::iter::repeat(""));
    for (layout, variant) in layouts.iter().zip(variants) {
        check(&root, layout, variant)?;
    }
    check_options(&root, &layout.options)?;
    check_model(&root, layout.model.as_deref())?;
    let mut first_error = FirstError(None);
    let groups: Vec<Group<'_>> =
        Group::from_layouts_and_variants(&layout.layout, &layout.variant).collect();
    let options: Vec<&str> = layout.options.iter().map(String::as_str).collect();
    let mut builder = Context::builder();
    builder.enable_environment(false);
    builder.enable_default_includes(false);
    builder.append_path(&root);
    let keymap = builder.build().keymap_from_names(
        &mut first_error,
        None,
        Some(layout.model.as_deref().unwrap_or("pc105")),
        Some(&groups),
        Some(&options),
    );
    if keymap.keys().next().is_none() {
        return Err(XkbError::Data(
            first_error
                .0
                .unwrap_or_else(|| "they have no keys".to_owned()),
        ));
    }
    Ok(Converter::new(&keymap, layouts.len()).convert())
}

/// The data's directory, as every program with XKB finds it.
fn root() -> PathBuf {
    std::env::var_os("XKB_CONFIG_ROOT").map_or_else(|| ROOT.into(), PathBuf::from)
}

/// Whether the symbols files have this layout and variant. kbvm would go on without them.
fn check(root: &Path, layout: &str, variant: &str) -> Result<(), XkbError> {
    let is_name = |name: &str| {
        name.chars()
            .all(|char| char.is_alphanumeric() || "_-.+".contains(char))
    };
    let path = root.join("symbols").join(layout);
    if layout.is_empty() || !is_name(layout) || layout.starts_with('.') || !path.is_file() {
        return Err(XkbError::NoLayout {
            layout: layout.to_owned(),
            suggestion: suggest::nearest(layout, names(&list(root), "! layout")).map(str::to_owned),
        });
    }
    let text = std::fs::read(&path).unwrap_or_default();
    let quoted = format!("\"{variant}\"");
    let mut windows = text.windows(quoted.len());
    match variant.is_empty()
        || windows.any(|window| window == quoted.as_bytes())
        || listed(root, layout, variant)
    {
        true => Ok(()),
        false => Err(XkbError::NoVariant {
            layout: layout.to_owned(),
            variant: variant.to_owned(),
            suggestion: suggest::nearest(
                variant,
                variants(&list(root), layout).map(|(variant, _)| variant),
            )
            .map(str::to_owned),
        }),
    }
}

/// Whether the rules know the model. XKB takes the rules for all models for what it does not know.
fn check_model(root: &Path, model: Option<&str>) -> Result<(), XkbError> {
    let (rules, list) = (rules(root), list(root));
    let known = known(&rules, &list);
    match model.filter(|model| !known.is_empty() && !known.contains(model)) {
        None => Ok(()),
        Some(model) => Err(XkbError::NoModel {
            model: model.to_owned(),
            suggestion: suggest::nearest(model, names(&list, "! model")).map(str::to_owned),
        }),
    }
}

/// The rules by which a keymap is put together.
fn rules(root: &Path) -> String {
    std::fs::read_to_string(root.join("rules/evdev")).unwrap_or_default()
}

/// All words of the rules and of their list: a few models and options are not listed.
fn known<'a>(rules: &'a str, list: &'a str) -> HashSet<&'a str> {
    let words = rules.split_whitespace();
    words.chain(list.split_whitespace()).collect()
}

/// Whether the rules know the options. XKB passes over what they do not know, and so would a slip be.
fn check_options(root: &Path, options: &[String]) -> Result<(), XkbError> {
    let mut options = options
        .iter()
        .filter(|option| !option.is_empty())
        .peekable();
    if options.peek().is_none() {
        return Ok(());
    }
    let (rules, list) = (rules(root), list(root));
    let known = known(&rules, &list);
    let unknown = options.find(|option| !known.is_empty() && !known.contains(option.as_str()));
    match unknown {
        None => Ok(()),
        Some(option) => Err(XkbError::NoOption {
            option: option.clone(),
            suggestion: suggest::nearest(option, names(&list, "! option")).map(str::to_owned),
        }),
    }
}

/// Keeps the first thing that kbvm has to say.
struct FirstError(Option<String>);

impl DiagnosticHandler for FirstError {
    fn handle(&mut self, diagnostic: Diagnostic) {
        self.0.get_or_insert_with(|| diagnostic.to_string());
    }
}
