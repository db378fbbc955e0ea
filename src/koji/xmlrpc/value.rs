//! The values that XML-RPC carries.

use std::fmt;

/// A value of XML-RPC with Koji's extensions.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// No value: `<nil/>`.
    #[default]
    Nil,
    /// `<boolean>`.
    Bool(bool),
    /// `<int>`, `<i4>`, `<i8>` and their like.
    Int(i64),
    /// `<double>`; always finite on the wire.
    Double(f64),
    /// `<string>`, or text without a type.
    String(String),
    /// `<base64>`.
    Bytes(Vec<u8>),
    /// `<dateTime.iso8601>`, as written. Koji itself sends times as strings.
    DateTime(String),
    /// `<array>`.
    Array(Vec<Value>),
    /// `<struct>`.
    Struct(Struct),
}

/// The members of a `<struct>` in the order of the wire, each name once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Struct {
    members: Vec<(String, Value)>,
}

impl Value {
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// A whole number.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// A boolean.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    /// A number with a fraction; a whole one counts too, because Python writes `2` for some sums that are whole.
    pub fn as_double(&self) -> Option<f64> {
        match self {
            Self::Double(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "loads and times are far below 2^53")]
            Self::Int(number) => Some(*number as f64),
            Self::Nil
            | Self::Bool(_)
            | Self::String(_)
            | Self::Bytes(_)
            | Self::DateTime(_)
            | Self::Array(_)
            | Self::Struct(_) => None,
        }
    }

    /// The items of an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The members of a struct.
    pub fn as_struct(&self) -> Option<&Struct> {
        if let Self::Struct(members) = self { Some(members) } else { None }
    }

    /// Whether there is no value.
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// What kind of value this is, with its article, for messages to people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Double(_) => "a double",
            Self::String(_) => "a string",
            Self::Bytes(_) => "bytes",
            Self::DateTime(_) => "a date",
            Self::Array(_) => "an array",
            Self::Struct(_) => "a struct",
        }
    }
}

impl Struct {
    /// No members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a member at the end, or replaces the value of the member of that name in its place.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, place)) => *place = value,
            None => self.members.push((name, value)),
        }
    }

    /// This struct with one more member.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.insert(name, value);
        self
    }

    /// This struct with one more member if there is a value for it.
    #[must_use]
    pub fn with_some(self, name: impl Into<String>, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The value of the member of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let position = self.members.iter().position(|(known, _)| known == name)?;
        Some(self.members.remove(position).1)
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.members.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// From members as read; the name that comes twice is the error.
    pub(super) fn from_members(members: Vec<(String, Value)>) -> Result<Self, String> {
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let twice = names.windows(2).find_map(|pair| match pair {
            [left, right] if left == right => Some((*left).to_owned()),
            _ => None,
        });
        twice.map_or(Ok(Self { members }), Err)
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Struct {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(members: I) -> Self {
        members.into_iter().fold(Self::new(), |all, (name, value)| all.with(name, value))
    }
}

impl fmt::Display for Struct {
    /// The names of the members, never their values: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, _)) in self.iter().enumerate() {
            write!(f, "{}{name}", if index == 0 { "" } else { ", " })?;
        }
        f.write_str("}")
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<Struct> for Value {
    fn from(members: Struct) -> Self {
        Self::Struct(members)
    }
}

impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(items: Vec<V>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<V: Into<Value>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Nil, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_their_names_are_unique() {
        let mut members = Struct::new().with("b", 1).with("a", true).with("b", "new");
        assert_eq!(members.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(members.get("b"), Some(&Value::from("new")));
        assert_eq!(members.remove("b"), Some(Value::from("new")));
        assert_eq!((members.len(), members.get("b")), (1, None));
        assert_eq!(members.with_some("c", None::<i64>).with_some("d", Some(4)).len(), 2);
    }

    #[test]
    fn a_name_read_twice_is_told() {
        let twice =
            vec![("x".to_owned(), Value::Nil), ("y".to_owned(), Value::Nil), ("x".to_owned(), 1.into())];
        assert_eq!(Struct::from_members(twice), Err("x".to_owned()));
    }

    #[test]
    fn a_struct_is_shown_without_its_values() {
        let session = Struct::new().with("session-id", 2).with("session-key", "2-secret");
        assert_eq!(session.to_string(), "{session-id, session-key}");
    }

    #[test]
    fn whole_numbers_are_read_as_doubles_but_not_the_other_way() {
        assert_eq!(Value::from(2).as_double(), Some(2.0));
        assert_eq!(Value::from(2.0).as_int(), None);
        assert_eq!(Value::from("2").as_int(), None);
    }
}
