//! Binds the arguments of a call to the parameters of a method, with the words of Python where they do not fit.

use super::faults::{self, PARAMETER, is_true};
use crate::koji::xmlrpc::{Call, Fault, Value};

/// The parameters of a method.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signature {
    /// The name of the Python function that a hub's refusal names; one with a dot is a method, whose object counts as
    /// an argument.
    pub(super) function: &'static str,
    /// Names in order; one that ends in `?` may be left out.
    pub(super) parameters: &'static [&'static str],
}

/// Arguments, each with the name of its parameter.
#[derive(Debug, Clone, Default)]
pub(super) struct Arguments {
    values: Vec<(&'static str, Value)>,
}

impl Signature {
    /// The arguments of `call`, or what Python says where they do not fit.
    pub(super) fn bind(&self, call: &Call) -> Result<Arguments, Fault> {
        let wrong = |text: String| Fault::new(PARAMETER, format!("{}() {text}", self.function));
        let names: Vec<&'static str> =
            self.parameters.iter().map(|name| name.trim_end_matches('?')).collect();
        let mut values: Vec<(&'static str, Value)> =
            names.iter().copied().zip(call.params.iter().cloned()).collect();
        for (name, value) in call.named.iter() {
            let Some(name) = names.iter().copied().find(|known| *known == name) else {
                return Err(wrong(format!("got an unexpected keyword argument '{name}'")));
            };
            if values.iter().any(|(given, _)| *given == name) {
                return Err(wrong(format!("got multiple values for argument '{name}'")));
            }
            values.push((name, value.clone()));
        }
        if call.params.len() > names.len() {
            return Err(wrong(self.too_many(call.params.len())));
        }
        let missing: Vec<String> = self
            .parameters
            .iter()
            .filter(|name| !name.ends_with('?') && !values.iter().any(|(given, _)| given == *name))
            .map(|name| format!("'{name}'"))
            .collect();
        if let Some((last, before)) = missing.split_last() {
            let arguments = if before.is_empty() { "argument" } else { "arguments" };
            let listed = match before {
                [] => last.clone(),
                [one] => format!("{one} and {last}"),
                more => format!("{}, and {last}", more.join(", ")),
            };
            return Err(wrong(format!(
                "missing {} required positional {arguments}: {listed}",
                missing.len()
            )));
        }
        Ok(Arguments { values })
    }

    fn too_many(&self, given: usize) -> String {
        let own = usize::from(self.function.contains('.'));
        let most = self.parameters.len() + own;
        let least = self.parameters.iter().filter(|name| !name.ends_with('?')).count() + own;
        let takes = if least == most { most.to_string() } else { format!("from {least} to {most}") };
        let arguments = if most == 1 { "argument" } else { "arguments" };
        let were = if given + own == 1 { "was" } else { "were" };
        format!("takes {takes} positional {arguments} but {} {were} given", given + own)
    }
}

impl Arguments {
    /// What was given; nil where nothing was.
    pub(super) fn get(&self, name: &str) -> &Value {
        self.given(name).unwrap_or(&Value::Nil)
    }

    /// What was given, nil included.
    pub(super) fn given(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// What was given, unless it is nil.
    pub(super) fn some(&self, name: &str) -> Option<&Value> {
        self.given(name).filter(|value| !value.is_nil())
    }

    /// Whether it was given and is true in Python's sense.
    pub(super) fn flag(&self, name: &str) -> bool {
        is_true(self.get(name))
    }

    /// The same where a parameter is true unless said otherwise.
    pub(super) fn flag_unless(&self, name: &str) -> bool {
        self.given(name).is_none_or(is_true)
    }

    /// A whole number, `None` for nil.
    pub(super) fn int(&self, name: &str) -> Result<Option<i64>, Fault> {
        self.some(name).map(|_| self.need_int(name)).transpose()
    }

    /// A text, `None` for nil.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Fault> {
        self.some(name).map(|_| self.need_text(name)).transpose()
    }

    /// A whole number that has to be there.
    pub(super) fn need_int(&self, name: &str) -> Result<i64, Fault> {
        let value = self.get(name);
        value.as_int().ok_or_else(|| faults::wrong_type(value, "int"))
    }

    /// A text that has to be there.
    pub(super) fn need_text(&self, name: &str) -> Result<&str, Fault> {
        let value = self.get(name);
        value.as_str().ok_or_else(|| faults::wrong_type(value, "str"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD: Signature = Signature {
        function: "RootExports.build",
        parameters: &["src", "target", "opts?", "priority?", "channel?"],
    };
    const GET: Signature = Signature { function: "get_build", parameters: &["buildInfo", "strict?"] };

    #[test]
    fn what_does_not_fit_is_refused_in_the_words_of_python() {
        let none = || Call::new("x");
        for (signature, call, text) in [
            (BUILD, none().arg("s"), "RootExports.build() missing 1 required positional argument: 'target'"),
            (
                BUILD,
                none(),
                "RootExports.build() missing 2 required positional arguments: 'src' and 'target'",
            ),
            (
                BUILD,
                (0..6).fold(none(), Call::arg),
                "RootExports.build() takes from 3 to 6 positional arguments but 7 were given",
            ),
            (
                GET,
                none().arg(1).named("bogus", true),
                "get_build() got an unexpected keyword argument 'bogus'",
            ),
            (
                GET,
                none().arg(1).named("buildInfo", 2),
                "get_build() got multiple values for argument 'buildInfo'",
            ),
            (
                Signature { function: "RootExports.getKojiVersion", parameters: &[] },
                none().arg(1),
                "RootExports.getKojiVersion() takes 1 positional argument but 2 were given",
            ),
        ] {
            assert_eq!(signature.bind(&call).unwrap_err(), Fault::new(PARAMETER, text));
        }
    }

    #[test]
    fn arguments_are_found_by_name_however_they_were_given() {
        let bound = BUILD.bind(&Call::new("build").arg("s").arg(Value::Nil).named("priority", 5)).unwrap();
        assert_eq!((bound.need_text("src"), bound.int("priority")), (Ok("s"), Ok(Some(5))));
        assert_eq!((bound.given("target"), bound.given("opts")), (Some(&Value::Nil), None));
        assert!(bound.flag_unless("opts") && !bound.flag("opts"));
    }
}
