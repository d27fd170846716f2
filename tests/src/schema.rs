//! Holding JSON against a JSON Schema: as much of it as the schemas in `data/schemas` use, and an error for anything else.

use serde_json::{Map, Value};

use crate::environment::{self, workspace};

/// Runs a command with `--json` and holds what it prints against the definition `name` of its schema in `data/schemas`.
///
/// # Panics
/// Where it prints no JSON, or something else than the schema says.
pub fn conforms(command: &str, name: &str, arguments: &[&str]) -> Value {
    let path = workspace().join(format!("data/schemas/{command}.json"));
    let schema = std::fs::read(&path).map(|text| serde_json::from_slice(&text));
    let mut run = environment::command(command);
    let output = run.args(arguments).arg("--json").output();
    let (Ok(Ok(schema)), Ok(output)) = (schema, output) else {
        panic!("{}, or {command}, cannot be read", path.display());
    };
    let document = match serde_json::from_slice(&output.stdout) {
        Ok(document) => document,
        Err(error) => panic!("{arguments:?}: {error}: {output:?}"),
    };
    if let Err(error) = check(&schema, name, &document) {
        panic!("{arguments:?}: {error}");
    }
    document
}

/// Whether a document says something at this place: neither nothing, nor an empty list or object.
pub fn is_filled(document: &Value, place: &str) -> bool {
    let value = document.pointer(place);
    value.is_some_and(|value| match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        value => !value.is_null(),
    })
}

/// Says where a document is not what `#/$defs/NAME` of a schema describes: a path into the document, and what is wrong.
///
/// # Errors
/// The first such place, or a keyword that is not known here.
pub fn check(schema: &Value, name: &str, document: &Value) -> Result<(), String> {
    let reference = format!("#/$defs/{name}");
    Checker { schema }.reference(&reference, document, name)
}

struct Checker<'a> {
    schema: &'a Value,
}

impl Checker<'_> {
    fn reference(&self, reference: &str, value: &Value, at: &str) -> Result<(), String> {
        let pointer = reference.strip_prefix('#').unwrap_or(reference);
        match self.schema.pointer(pointer) {
            Some(Value::Object(rules)) => self.value(rules, value, at),
            _ => Err(format!("{at}: the schema has no {reference}")),
        }
    }

    fn any(&self, rules: &Value, value: &Value, at: &str) -> Result<(), String> {
        match rules {
            Value::Object(rules) => self.value(rules, value, at),
            _ => Err(format!("{at}: a schema must be an object")),
        }
    }

    fn value(&self, rules: &Map<String, Value>, value: &Value, at: &str) -> Result<(), String> {
        for (keyword, rule) in rules {
            match (keyword.as_str(), rule) {
                ("description" | "required" | "additionalProperties", _) => {}
                ("$ref", Value::String(reference)) => self.reference(reference, value, at)?,
                ("type", kinds) => kind(kinds, value, at)?,
                ("enum", Value::Array(values)) if values.contains(value) => {}
                ("enum", values) => return Err(format!("{at}: {value} is none of {values}")),
                ("oneOf", Value::Array(choices)) => self.one_of(choices, value, at)?,
                ("items", rules) => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.any(rules, item, &format!("{at}/{number}"))?;
                    }
                }
                ("properties", Value::Object(properties)) => {
                    self.properties(rules, properties, value, at)?;
                }
                _ => {
                    return Err(format!(
                        "{at}: the schema has {keyword}, which is not known"
                    ));
                }
            }
        }
        match (rules.get("properties"), rules.get("additionalProperties")) {
            (None, Some(rules)) => {
                let mut members = value.as_object().into_iter().flatten();
                members
                    .try_for_each(|(key, member)| self.any(rules, member, &format!("{at}/{key}")))
            }
            _ => Ok(()),
        }
    }

    fn properties(
        &self,
        rules: &Map<String, Value>,
        properties: &Map<String, Value>,
        value: &Value,
        at: &str,
    ) -> Result<(), String> {
        let Value::Object(members) = value else {
            return Ok(());
        };
        let required = rules.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                return Err(format!("{at}: {name} is missing"));
            }
        }
        for (key, member) in members {
            match properties.get(key) {
                Some(rules) => self.any(rules, member, &format!("{at}/{key}"))?,
                None => return Err(format!("{at}: {key} is not documented")),
            }
        }
        Ok(())
    }

    fn one_of(&self, choices: &[Value], value: &Value, at: &str) -> Result<(), String> {
        let results = choices.iter().map(|choice| self.any(choice, value, at));
        let (fits, misfits): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
        match fits.len() {
            1 => Ok(()),
            _ => Err(format!(
                "{at}: {} of the choices fit: {misfits:?}",
                fits.len()
            )),
        }
    }
}

fn kind(kinds: &Value, value: &Value, at: &str) -> Result<(), String> {
    let own = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() || number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match kinds {
        Value::String(kind) if kind == own => Ok(()),
        Value::Array(kinds) if kinds.iter().any(|kind| kind == own) => Ok(()),
        _ => Err(format!("{at}: {own} where {kinds} is expected")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::check;

    #[test]
    fn what_does_not_fit_is_named() {
        let schema = json!({ "$defs": {
            "list": { "type": "array", "items": { "$ref": "#/$defs/pair" } },
            "pair": {
                "type": "object",
                "properties": { "name": { "type": "string" }, "by": { "type": ["string", "null"] } },
                "required": ["name"],
                "additionalProperties": false,
            },
            "open": { "type": "object", "additionalProperties": { "enum": [1, 2] } },
            "new": { "minimum": 1 },
        }});
        let fits = |name, document| check(&schema, name, &document);
        assert_eq!(fits("list", json!([{ "name": "x", "by": null }])), Ok(()));
        assert_eq!(fits("open", json!({ "a": 1, "b": 2 })), Ok(()));
        for (name, document, error) in [
            (
                "list",
                json!({}),
                "list: object where \"array\" is expected",
            ),
            (
                "list",
                json!([{ "name": "x" }, {}]),
                "list/1: name is missing",
            ),
            (
                "list",
                json!([{ "name": 1 }]),
                "list/0/name: integer where \"string\" is expected",
            ),
            (
                "list",
                json!([{ "name": "x", "z": 1 }]),
                "list/0: z is not documented",
            ),
            ("open", json!({ "a": 3 }), "open/a: 3 is none of [1,2]"),
            (
                "new",
                json!(1),
                "new: the schema has minimum, which is not known",
            ),
            ("gone", json!(1), "gone: the schema has no #/$defs/gone"),
        ] {
            assert_eq!(fits(name, document), Err(error.to_owned()));
        }
    }
}
