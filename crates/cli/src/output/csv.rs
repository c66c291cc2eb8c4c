//! What a command found, as CSV: the columns are the fields, those within fields joined by a dot.

use std::collections::BTreeMap;

use serde_json::Value;

/// One line: a value under the name of its column.
type Line = BTreeMap<String, String>;

/// A list is a line each. An object is one line, unless it holds lists: then what each list holds are
/// lines too, and the column `record` tells which they are of.
pub(super) fn text(value: &Value) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    match value {
        Value::Array(items) => lines.extend(items.iter().map(|item| line(item, None))),
        Value::Object(fields) => {
            let (lists, own): (Vec<_>, Vec<_>) =
                fields.iter().partition(|(_, value)| is_table(value));
            let own: serde_json::Map<_, _> =
                own.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            let alone = lists.is_empty() || (lists.len() == 1 && own.is_empty());
            if !own.is_empty() {
                lines.push(line(&Value::Object(own), (!alone).then_some("summary")));
            }
            for (name, list) in lists {
                let items = list.as_array().into_iter().flatten();
                lines.extend(items.map(|item| line(item, (!alone).then_some(name.as_str()))));
            }
        }
        other => lines.push(line(other, None)),
    }
    written(&lines)
}

/// A list of objects; one of numbers or words stays in its field.
fn is_table(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_object))
}

fn line(value: &Value, record: Option<&str>) -> Line {
    let mut line = Line::new();
    if let Some(record) = record {
        line.insert("record".to_owned(), record.to_owned());
    }
    flatten("", value, &mut line);
    line
}

fn flatten(name: &str, value: &Value, line: &mut Line) {
    let text = match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let path = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&path, value, line);
            }
            return;
        }
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let name = if name.is_empty() { "value" } else { name };
    line.insert(name.to_owned(), text);
}

/// `record` leads, the other columns are in the order of their names: the same on every run.
fn written(lines: &[Line]) -> anyhow::Result<String> {
    let mut columns: Vec<&str> = lines.iter().flat_map(Line::keys).map(String::as_str).collect();
    columns.sort_unstable_by_key(|name| (*name != "record", *name));
    columns.dedup();
    let mut writer = csv::Writer::from_writer(Vec::new());
    if !columns.is_empty() {
        writer.write_record(&columns)?;
    }
    for line in lines {
        let cells = columns.iter().map(|name| line.get(*name).map_or("", String::as_str));
        writer.write_record(cells)?;
    }
    let text = String::from_utf8(writer.into_inner()?)?;
    Ok(text.trim_end_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_a_line_each_and_fields_within_fields_are_columns() {
        let list = json!([
            { "party": "rover", "amount": { "currency": "USD", "micros": 5 } },
            { "party": "a, \"b\"", "amount": null, "note": "x" },
        ]);
        assert_eq!(
            text(&list).expect("CSV"),
            "amount,amount.currency,amount.micros,note,party\n,USD,5,,rover\n,,,x,\"a, \"\"b\"\"\""
        );
    }

    #[test]
    fn lists_of_one_answer_are_told_apart() {
        let answer =
            json!({ "window": { "name": "W" }, "nets": [{ "party": "a" }, { "party": "b" }] });
        assert_eq!(
            text(&answer).expect("CSV"),
            "record,party,window.name\nsummary,,W\nnets,a,\nnets,b,"
        );
        assert_eq!(text(&json!({ "nets": [{ "party": "a" }] })).expect("CSV"), "party\na");
        assert_eq!(
            text(&json!({ "a": 1, "kinds": ["x", "y"] })).expect("CSV"),
            "a,kinds\n1,\"[\"\"x\"\",\"\"y\"\"]\""
        );
        assert_eq!(text(&json!([])).expect("CSV"), "");
    }
}
