//! What of a running pipeline needs a person: what is degraded, and which decisions are waiting.

use super::view::{Intake, SinkView, Submission, View};
use crate::text::{escaped, grouped};

impl View {
    /// What needs a person, in plain words with what to do, the worst first; empty where all is well. Texts from outside are
    /// escaped. Dead letters are no part of it: a public bus always brings some.
    pub fn attention(&self) -> Vec<String> {
        let mut all: Vec<String> = self.troubles.iter().map(|trouble| escaped(trouble).to_string()).collect();
        all.extend(self.intake_attention());
        if self.silent {
            all.push(
                "no record of any partition has come for longer than source_silence: is the bus alive?"
                    .to_owned(),
            );
        }
        if let Submission::Closed(reasons) = &self.submission {
            let reasons: Vec<String> = reasons.iter().map(|reason| escaped(reason).to_string()).collect();
            all.push(format!("submission is closed: {}", reasons.join("; ")));
        }
        all.extend(self.sink.iter().flat_map(sink_attention));
        for hold in &self.holds {
            all.push(format!(
                "hold h{id} ({kind}, {members} builds in {tag}) waits for a decision: `tidegate holds show h{id}`",
                id = hold.id,
                kind = escaped(&hold.kind),
                members = grouped(hold.members as u64),
                tag = escaped(&hold.tag),
            ));
        }
        if let Some((version, names)) = &self.packages.proposed {
            let (version, names) = (escaped(version), grouped(*names as u64));
            all.push(format!(
                "the package list {version} of {names} names waits to be accepted: `tidegate packages show`, then `accept`"
            ));
        }
        if let Some(failed) = &self.packages.failed {
            all.push(format!("the package list could not be fetched: {}", escaped(failed)));
        }
        all
    }

    fn intake_attention(&self) -> Option<String> {
        match &self.intake {
            Intake::Reading | Intake::Stopping => None,
            Intake::Waiting => {
                Some("nothing is read: it waits for the broker or for its partitions".to_owned())
            }
            Intake::Paused => {
                Some("nothing is read: intake is paused; `tidegate resume intake` ends that".to_owned())
            }
            Intake::Full { bound } => Some(format!("nothing is read: {} is reached", escaped(bound))),
            Intake::Damaged => {
                Some("a partition is damaged, and somebody has to decide where to read on".to_owned())
            }
        }
    }
}

fn sink_attention(sink: &SinkView) -> Vec<String> {
    let mut all: Vec<String> =
        sink.trouble.iter().map(|trouble| format!("the sink: {}", escaped(trouble))).collect();
    if !sink.for_a_person.is_empty() {
        let rows: Vec<String> = sink.for_a_person.iter().map(ToString::to_string).collect();
        all.push(format!(
            "it is not known whether these builds were submitted, and the sink cannot be asked: rows {} of `submission`",
            rows.join(", ")
        ));
    }
    if sink.doubles > 0 {
        all.push(format!(
            "{} builds were submitted twice: please report this as a fault of Tidegate",
            sink.doubles
        ));
    }
    all
}
