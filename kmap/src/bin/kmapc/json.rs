//! Diagnostics as data. The fields are those of the text on the screen; `code` is the stable name of the kind.

use std::path::Path;

use kmap::{Diagnostic, Severity};
use serde_json::{Value, json};

/// One diagnostic. `line` and `column` begin at 1; `underline` has two offsets in bytes into `text`, the source line.
pub(crate) fn diagnostic(diagnostic: &Diagnostic) -> Value {
    let severity = match diagnostic.severity() {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let place = diagnostic.place.as_ref().map(|place| {
        let chain = place.included_from.iter().rev();
        let chain: Vec<Value> = chain
            .map(|(file, line)| json!({"file": path(file), "line": line}))
            .collect();
        match place.line {
            0 => json!({"file": path(&place.path)}),
            line => json!({
                "file": path(&place.path),
                "line": line,
                "column": place.column,
                "text": String::from_utf8_lossy(&place.line_text),
                "underline": [place.underline.start, place.underline.end],
                "included_from": chain,
            }),
        }
    });
    json!({
        "severity": severity,
        "code": diagnostic.kind.name(),
        "message": diagnostic.kind.to_string(),
        "help": diagnostic.kind.help(),
        "place": place,
    })
}

/// A path; JSON has no bytes, so what is not UTF-8 is replaced.
pub(crate) fn path(path: &Path) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}
