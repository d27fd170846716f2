//! `modtree info`: what kmod's modinfo shows, and on demand symbols and sections.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use cli::{Failure, print};
use modtree::{
    Entry, Module, ModuleName, Resolution, Section, Signature, Tree, TreeError, sections,
};
use serde_json::json;

use crate::args::TreeArgs;
use crate::complete;
use crate::questions::print_json;
use crate::report::json_path;
use crate::run::{entry_bytes, file_bytes, none_missed, open, tree_failure};

/// Print what modules say about themselves, as modinfo does
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modtree info e1000e                     the fields that modinfo shows, in its order
  modtree info -F firmware iwlwifi        the values of one field
  modtree info --symbols ./build/mine.ko  also what it imports and exports")]
pub(crate) struct InfoArgs {
    /// Modules' names, aliases, or paths of files
    #[arg(value_name = "MODULE", required = true, add = complete::modules())]
    modules: Vec<String>,

    #[command(flatten)]
    tree: TreeArgs,

    /// Print only the values of this field
    #[arg(short = 'F', long, value_name = "FIELD")]
    field: Option<String>,

    /// End each value with a NUL byte in place of a line feed
    #[arg(short = '0', long)]
    null: bool,

    /// Also print the symbols that it imports and exports
    #[arg(short, long, conflicts_with_all = ["field", "null"])]
    symbols: bool,

    /// Also print its sections and their sizes in bytes
    #[arg(long, conflicts_with_all = ["field", "null"])]
    sections: bool,

    /// One JSON document: fields, symbols, sections
    #[arg(long, conflicts_with_all = ["field", "null", "symbols", "sections"])]
    json: bool,
}

/// A module's file with its contents, or a part of the kernel.
enum Found {
    File(PathBuf, Vec<u8>),
    Builtin(ModuleName, Vec<(Vec<u8>, Vec<u8>)>),
}

/// A field's name and its value. Bytes, as they stand in the module.
type Field = (Vec<u8>, Vec<u8>);

pub(crate) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let mut documents = Vec::new();
    let mut missed = Vec::new();
    let tree = OnceCell::new();
    for module in &args.modules {
        let found = find(module, &args.tree, &tree)?;
        if found.is_empty() {
            missed.push(module.as_str());
        }
        for found in found {
            match args.json {
                true => documents.push(document(&found)?),
                false => text(&mut bytes, &found, args)?,
            }
        }
    }
    if let Some(tree) = tree.get() {
        none_missed(tree, &missed)?;
    }
    match args.json {
        true => print_json(&json!(documents)),
        false => print(&bytes),
    }
}

/// What a word stands for, if anything. The tree is opened once, by the first word that needs it.
fn find(module: &str, args: &TreeArgs, opened: &OnceCell<Tree>) -> Result<Vec<Found>, Failure> {
    if module.contains('/') || Path::new(module).is_file() {
        let path = std::path::absolute(module).unwrap_or_else(|_| module.into());
        let (path, bytes) = file_bytes(&path)?;
        return Ok(vec![Found::File(path, bytes)]);
    }
    let tree = match opened.get() {
        Some(tree) => tree,
        None => {
            let tree = open(args)?;
            opened.get_or_init(|| tree)
        }
    };
    let file = |entry: Entry| -> Result<Found, Failure> {
        let (path, bytes) = entry_bytes(tree, &entry)?;
        Ok(Found::File(path, bytes))
    };
    let builtin = |name: ModuleName| -> Result<Found, Failure> {
        let fields = tree.builtins().map_err(tree_failure)?.fields(&name);
        Ok(Found::Builtin(name, fields))
    };
    match tree.locate(module).map_err(tree_failure)? {
        Resolution::Module(entry) => Ok(vec![file(entry)?]),
        Resolution::Aliases(entries) => entries.into_iter().map(file).collect(),
        Resolution::Builtin(name) => Ok(vec![builtin(name)?]),
        Resolution::BuiltinAliases(names) => names.into_iter().map(builtin).collect(),
        Resolution::Unknown => Ok(Vec::new()),
    }
}

/// What a module's file says, with the fields that modinfo shows of it.
struct Contents {
    module: Module,
    sections: Vec<Section>,
    fields: Vec<Field>,
}

fn read(path: &Path, bytes: &[u8]) -> Result<Contents, Failure> {
    let failed = |source| {
        let path = path.to_path_buf();
        tree_failure(TreeError::Elf { path, source })
    };
    let module = Module::parse(bytes).map_err(failed)?;
    let sections = sections(bytes).map_err(failed)?;
    let fields = module.info.fields();
    let mut fields: Vec<Field> = fields
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect();
    if let Some(signature) = Signature::parse(bytes) {
        for (key, value) in [
            ("sig_id", "PKCS#7".to_owned()),
            ("signer", signature.signer),
            ("sig_key", hexadecimal(&signature.key)),
            ("sig_hashalgo", signature.hash.to_owned()),
            ("signature", hexadecimal(&signature.signature)),
        ] {
            fields.push((key.into(), value.into_bytes()));
        }
    }
    Ok(Contents {
        module,
        sections,
        fields,
    })
}

/// Bytes as modinfo writes them: 20 a line.
fn hexadecimal(bytes: &[u8]) -> String {
    let lines = bytes.chunks(20).map(|line| {
        let bytes: Vec<_> = line.iter().map(|byte| format!("{byte:02X}")).collect();
        bytes.join(":")
    });
    lines.collect::<Vec<_>>().join(":\n\t\t")
}

fn text(out: &mut Vec<u8>, found: &Found, args: &InfoArgs) -> Result<(), Failure> {
    let end = if args.null { 0 } else { b'\n' };
    let (file_name, contents) = match found {
        Found::File(path, bytes) => (path.display().to_string(), Some(read(path, bytes)?)),
        Found::Builtin(..) => ("(builtin)".to_owned(), None),
    };
    let fields = match (found, &contents) {
        (Found::Builtin(_, fields), _) => fields.clone(),
        (_, Some(contents)) => contents.fields.clone(),
        (_, None) => Vec::new(),
    };
    if let Some(field) = &args.field {
        for value in values(&fields, field, &file_name) {
            out.extend(value);
            out.push(end);
        }
        return Ok(());
    }
    if let Found::Builtin(name, _) = found {
        line(out, b"name", name.as_str().as_bytes(), end);
    }
    line(out, b"filename", file_name.as_bytes(), end);
    let others = fields.iter().filter(|(key, _)| !is_parameter(key));
    for (key, value) in others {
        match args.null {
            true => {
                out.extend([&key[..], b"=", value].concat());
                out.push(end);
            }
            false => line(out, key, value, end),
        }
    }
    for parameter in parameters(&fields) {
        line(out, b"parm", &parameter.line(), end);
    }
    if let Some(contents) = contents {
        more(out, &contents, args);
    }
    Ok(())
}

/// What modinfo does not show.
fn more(out: &mut Vec<u8>, contents: &Contents, args: &InfoArgs) {
    let module = &contents.module;
    for (key, names) in [("import", &module.imports), ("export", &module.exports)] {
        for name in names.iter().filter(|_| args.symbols) {
            line(out, key.as_bytes(), name.as_bytes(), b'\n');
        }
    }
    for section in contents.sections.iter().filter(|_| args.sections) {
        let text = format!("{:24}{:10}", section.name, section.size);
        line(out, b"section", text.as_bytes(), b'\n');
    }
}

/// `key:`, filled up to 16 columns, and the value.
fn line(out: &mut Vec<u8>, key: &[u8], value: &[u8], end: u8) {
    let fill = 15_usize.saturating_sub(key.len());
    out.extend(key);
    out.push(b':');
    // Writing to a vector cannot fail.
    let _ = write!(out, "{:fill$}", "");
    out.extend(value);
    out.push(end);
}

/// The values of one field. Parameters have their types here too, in a form that differs from that of the whole list where
/// there is no description.
fn values(fields: &[Field], field: &str, file_name: &str) -> Vec<Vec<u8>> {
    match field {
        "filename" => vec![file_name.as_bytes().to_vec()],
        "parm" => {
            let parameters = parameters(fields).into_iter();
            let described = parameters.map(|mut parameter| {
                parameter.description.get_or_insert_default();
                parameter.line()
            });
            described.collect()
        }
        field => {
            let own = fields.iter().filter(|(key, _)| key == field.as_bytes());
            own.map(|(_, value)| value.clone()).collect()
        }
    }
}

fn is_parameter(key: &[u8]) -> bool {
    key == b"parm" || key == b"parmtype"
}

/// A parameter of a module, which stands in two fields: `parm=NAME:DESCRIPTION` and `parmtype=NAME:TYPE`.
#[derive(Default)]
struct Parameter {
    name: Vec<u8>,
    description: Option<Vec<u8>>,
    kind: Option<Vec<u8>>,
}

impl Parameter {
    fn line(self) -> Vec<u8> {
        let name = [&self.name[..], b":"].concat();
        match (self.description, self.kind) {
            (Some(text), Some(kind)) => [&name[..], &text, b" (", &kind, b")"].concat(),
            (Some(text), None) => [name, text].concat(),
            (None, kind) => [name, kind.unwrap_or_default()].concat(),
        }
    }
}

/// The parameters in modinfo's order: the last one that is new comes first.
fn parameters(fields: &[Field]) -> VecDeque<Parameter> {
    let mut parameters: VecDeque<Parameter> = VecDeque::new();
    for (key, value) in fields.iter().filter(|(key, _)| is_parameter(key)) {
        let Some(colon) = value.iter().position(|&byte| byte == b':') else {
            continue;
        };
        let (name, rest) = (&value[..colon], value[colon + 1..].to_vec());
        let known = parameters.iter().position(|known| known.name == name);
        if known.is_none() {
            parameters.push_front(Parameter {
                name: name.to_vec(),
                ..Parameter::default()
            });
        }
        if let Some(parameter) = parameters.get_mut(known.unwrap_or(0)) {
            match key.as_slice() {
                b"parm" => parameter.description = Some(rest),
                _ => parameter.kind = Some(rest),
            }
        }
    }
    parameters
}

fn document(found: &Found) -> Result<serde_json::Value, Failure> {
    let list = |fields: &[Field]| -> Vec<serde_json::Value> {
        let texts = fields.iter().map(|(key, value)| {
            json!({
                "key": String::from_utf8_lossy(key),
                "value": String::from_utf8_lossy(value),
            })
        });
        texts.collect()
    };
    Ok(match found {
        Found::Builtin(name, fields) => json!({
            "name": name,
            "path": null,
            "fields": list(fields),
        }),
        Found::File(path, bytes) => {
            let Contents {
                module,
                sections,
                fields,
            } = read(path, bytes)?;
            json!({
                "name": ModuleName::of_file(path.file_name().unwrap_or_default()),
                "path": json_path(path),
                "fields": list(&fields),
                "imports": module.imports,
                "exports": module.exports,
                "sections": sections,
                "signed": module.signed,
            })
        }
    })
}
