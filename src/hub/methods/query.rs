//! What `queryOpts` does with rows, and how times in arguments are read.

use std::cmp::Ordering;

use super::super::faults::is_true;
use super::super::moment::Moment;
use crate::koji::xmlrpc::{Struct, Value};

/// Orders, cuts or counts rows as `options` says.
pub(super) fn shape(mut rows: Vec<Struct>, options: &Value) -> Value {
    let Some(options) = options.as_struct() else { return Value::from(rows) };
    if options.get("countOnly").is_some_and(is_true) {
        return Value::from(i64::try_from(rows.len()).unwrap_or(i64::MAX));
    }
    if let Some(order) = options.get("order").and_then(Value::as_str) {
        // From the last key to the first: the sort is stable.
        for key in order.split(',').map(str::trim).rev() {
            let (name, backwards) = key.strip_prefix('-').map_or((key, false), |name| (name, true));
            rows.sort_by(|left, right| {
                let order = compare(left.get(name), right.get(name));
                if backwards { order.reverse() } else { order }
            });
        }
    }
    let number = |name: &str| options.get(name).and_then(Value::as_int).and_then(|n| usize::try_from(n).ok());
    let rows = rows.into_iter().skip(number("offset").unwrap_or(0));
    Value::from(rows.take(number("limit").unwrap_or(usize::MAX)).collect::<Vec<_>>())
}

/// As the database orders: what is nil comes last.
fn compare(left: Option<&Value>, right: Option<&Value>) -> Ordering {
    match (left, right) {
        (Some(Value::String(left)), Some(Value::String(right))) => left.cmp(right),
        (Some(Value::Bool(left)), Some(Value::Bool(right))) => left.cmp(right),
        (Some(Value::Int(left)), Some(Value::Int(right))) => left.cmp(right),
        (left, right) => {
            let number = |value: Option<&Value>| value.and_then(Value::as_double);
            match (number(left), number(right)) {
                (Some(left), Some(right)) => left.total_cmp(&right),
                (left, right) => left.is_none().cmp(&right.is_none()),
            }
        }
    }
}

/// A time as a client sends it: text, or seconds since 1970.
pub(super) fn time(value: &Value) -> Option<Moment> {
    if let Some(text) = value.as_str() {
        return Moment::parse(text).or_else(|| Moment::parse(&format!("{text} 00:00:00")));
    }
    let micros = value.as_double()? * 1e6;
    #[expect(clippy::cast_possible_truncation, reason = "a float beyond the range becomes its end")]
    Some(Moment(micros.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_ordered_cut_and_counted() {
        let row = |id: i64, name: &str, end: Option<f64>| {
            Struct::new().with("id", id).with("name", name).with("end", end)
        };
        let rows = || vec![row(1, "b", None), row(2, "a", Some(2.5)), row(3, "b", Some(1.0))];
        let id = |row: &Value| row.as_struct()?.get("id")?.as_int();
        let ids = |options: Struct| {
            let shaped = shape(rows(), &Value::from(options));
            match shaped.as_array() {
                Some(rows) => rows.iter().filter_map(id).collect::<Vec<_>>(),
                None => shaped.as_int().into_iter().collect(),
            }
        };
        for (options, expected) in [
            (Struct::new(), vec![1, 2, 3]),
            (Struct::new().with("order", "-name,-id"), vec![3, 1, 2]),
            (Struct::new().with("order", "end"), vec![3, 2, 1]),
            (Struct::new().with("order", "-id").with("offset", 1).with("limit", 1), vec![2]),
            (Struct::new().with("countOnly", true).with("limit", 1), vec![3]),
        ] {
            assert_eq!(ids(options), expected);
        }
    }

    #[test]
    fn times_are_text_or_seconds() {
        let expected = Some(Moment(1_577_836_800_000_000));
        for value in
            [Value::from("2020-01-01 00:00:00"), Value::from("2020-01-01"), Value::from(1_577_836_800)]
        {
            assert_eq!(time(&value), expected);
        }
        assert_eq!(time(&Value::Nil), None);
    }
}
