//! Broken pipeline files, and all that is told about each.

use tidegate::pipeline::{self, Finding, Override, Place, Severity};

/// Every file below follows f42 unless it says otherwise, so that its own lines begin at line 3.
const HEAD: &str = "[trigger]\nfollow = \"f42\"\n";

/// (line, column, message) of each finding; line 0 stands for a `--set` or the file as a whole.
fn told(findings: &[Finding]) -> Vec<(usize, usize, &str)> {
    let place = |finding: &Finding| match finding.place {
        Place::File { line, column, .. } => (line, column),
        Place::Set { column, .. } => (0, column),
        Place::Whole { .. } => (0, 0),
    };
    findings.iter().map(|finding| (place(finding).0, place(finding).1, finding.message.as_str())).collect()
}

fn errors(text: &str, sets: &[&str]) -> Vec<Finding> {
    let sets: Vec<Override> = sets.iter().map(|set| Override::parse(set).expect("a setting")).collect();
    match pipeline::parse("x.toml", text, &sets) {
        Ok(pipeline) => panic!("loads, with {:?}:\n{text}", pipeline.warnings),
        Err(report) => report.findings,
    }
}

#[track_caller]
fn check(text: &str, expected: &[(usize, usize, &str)]) {
    let findings = errors(&format!("{HEAD}{text}"), &[]);
    assert_eq!(told(&findings), expected, "{text}");
    assert!(findings.iter().all(|finding| !finding.help.is_empty()), "{text}");
}

#[test]
fn keys_and_sections_that_do_not_exist() {
    for (text, line, column, message, help) in [
        (
            "[burst]\nhold_bakc = \"61s\"",
            4,
            1,
            "there is no key `hold_bakc` in [burst]",
            "did you mean `hold_back`?",
        ),
        ("[brust]\nhold_back = \"61s\"", 3, 2, "there is no section [brust]", "did you mean [burst]?"),
        (
            "[batch]\nhold_back = \"1s\"",
            4,
            1,
            "there is no key `hold_back` in [batch]",
            "`hold_back` belongs in [burst]",
        ),
        (
            "disorder = \"1s\"",
            3,
            1,
            "there is no key `disorder` in [trigger]",
            "`disorder` belongs in [source]",
        ),
        (
            "[burst.hold_rule]\nthan = \"drop\"",
            4,
            1,
            "there is no key `than` in [burst.hold_rule]",
            "did you mean `then`?",
        ),
        (
            "[batch]\nwindow = \"1s\"",
            4,
            1,
            "there is no key `window` in [batch]",
            "the keys of [batch] are gap",
        ),
        (
            "[other]\n",
            3,
            2,
            "there is no section [other]",
            "the sections are source, decode, trigger, select, dedupe, evidence, burst, batch, governor, sink, output",
        ),
        (
            "[[burst]]\nquiet = \"60s\"",
            3,
            3,
            "`burst` is a section, there is one of it, and it has keys",
            "write [burst] on a line of its own, and its keys below",
        ),
        (
            "[source]\npassword = \"hunter2\"",
            4,
            1,
            "`password` would be a secret, and a pipeline file holds none",
            "write the secret into a file and name that file with `password_file`",
        ),
    ] {
        check(text, &[(line, column, message)]);
        assert_eq!(errors(&format!("{HEAD}{text}"), &[])[0].help, help, "{text}");
    }
    let above = format!("quiet = \"60s\"\n{HEAD}");
    assert_eq!(told(&errors(&above, &[])), [(1, 1, "there is no key `quiet` above the first section")]);
}

#[test]
fn values_that_are_wrong_by_themselves() {
    for (text, line, column, message) in [
        ("[burst]\nhold_back = 61", 4, 13, "`burst.hold_back`: takes a duration, not the whole number `61`"),
        ("[burst]\nhold_back = \"61\"", 4, 14, "`burst.hold_back`: `61` has no unit"),
        ("[burst]\nhold_back = \"0s\"", 4, 13, "`burst.hold_back`: 0s is below the range"),
        ("[burst]\nhold_back = \"-5s\"", 4, 14, "`burst.hold_back`: this is no duration"),
        ("[burst]\nquiet = \"3 fortnights\"", 4, 12, "`burst.quiet`: `fortnights` is no unit of time"),
        ("[burst]\nrules = []", 4, 9, "`burst.rules`: the list has 0 rules"),
        ("[burst]\nrules = [\"1 in 5s\"]", 4, 11, "`burst.rules`: a rule of 1 builds is out of range"),
        ("[burst]\nallow_leak = \"no\"", 4, 14, "`burst.allow_leak`: takes a truth value, not the text"),
        ("[burst]\nwaiting_max = 0", 4, 15, "`burst.waiting_max`: 0 is out of range"),
        ("[dedupe]\nbuilds_max = 0", 4, 14, "`dedupe.builds_max`: 0 is out of range"),
        ("[governor]\ncapacity = 0", 4, 12, "`governor.capacity`: 0 is out of range"),
        ("[governor]\nrate = \"0/h\"", 4, 8, "`governor.rate`: a rate of 0/h is out of range"),
        ("[governor]\nrate = \"40/month\"", 4, 12, "`governor.rate`: `month` is no unit of time"),
        ("[governor]\nin_flight = -1", 4, 13, "`governor.in_flight`: -1 is out of range"),
        (
            "[decode]\ntopic_prefix = \"org.fedoraproject.prod.buildsys\"",
            4,
            16,
            "`decode.topic_prefix`: the topic prefix \"org.fedoraproject.prod.buildsys\" does not end with a point",
        ),
        ("[decode]\ninstances = []", 4, 13, "`decode.instances`: the list is empty"),
        ("[decode]\ninstances = [\"a\", \"a\"]", 4, 19, "`decode.instances`: \"a\" is in the list twice"),
        (
            "[decode]\ncreate_time_is = \"publsh\"",
            4,
            18,
            "`decode.create_time_is`: \"publsh\" is not one of the words it takes",
        ),
        ("[select]\nlist_change_max = 1.01", 4, 19, "`select.list_change_max`: 1.01 is no share"),
        ("[select]\nlist_change_max = -0.1", 4, 19, "`select.list_change_max`: -0.1 is no share"),
        ("[select]\nlist_change_max = nan", 4, 19, "`select.list_change_max`: nan is no share"),
        (
            "[select]\nexclude = ['^(?!kernel)']",
            4,
            14,
            "`select.exclude`: the regular expression is wrong here: \
             look-around, including look-ahead and look-behind, is not supported",
        ),
        ("[select]\nrenames = { a = \"a\" }", 4, 17, "`select.renames`: `a` is renamed to itself"),
        (
            "[select]\nrenames = { a = \"c\", b = \"c\" }",
            4,
            26,
            "`select.renames`: two packages are renamed to `c`",
        ),
        (
            "[select]\nrenames = { a = \"b\", b = \"c\", c = \"a\" }",
            4,
            17,
            "`select.renames`: the renames go round in a circle: a -> b -> c -> a",
        ),
        (
            "[select]\nrenames = { a = \"b\", b = \"a\" }",
            4,
            17,
            "`select.renames`: the renames go round in a circle: a -> b -> a",
        ),
        (
            "[select]\npackages = \"http://example.org/list\"",
            4,
            12,
            "`select.packages`: \"http://example.org/list\" is neither a file nor an https address",
        ),
        ("[source]\nbegin = \"yesterday\"", 4, 9, "`source.begin`: \"yesterday\" is no time"),
        (
            "[source]\nbegin = 1999-01-01T00:00:00Z",
            4,
            9,
            "`source.begin`: 1999-01-01T00:00:00Z lies before 2010",
        ),
        ("[source]\nbrokers = [\"kafka\"]", 4, 12, "`source.brokers`: \"kafka\" is no broker"),
        ("family = \"f41@soon, f42\"", 3, 15, "`trigger.family`: \"soon\" is no time"),
        ("family = [\"f41\", \"f4 2\"]", 3, 19, "`trigger.family`: \"f4 2\" is no Koji tag"),
        ("family = \"f41,f41\"", 3, 15, "`trigger.family`: \"f41\" is in the family twice"),
        (
            "[evidence]\ncandidate_tags = [\"{relase}-x\"]",
            4,
            19,
            "`evidence.candidate_tags`: \"{relase}-x\" is no tag pattern",
        ),
        ("[sink]\nkind = \"kojj\"", 4, 8, "`sink.kind`: \"kojj\" is not one of the words it takes"),
        (
            "[sink]\nkind = \"webhook\"\nurl = \"https://me:hunter2@example.org/\"",
            5,
            7,
            "`sink.url`: has a login in its address, and a pipeline file holds no secret",
        ),
    ] {
        check(text, &[(line, column, message)]);
    }
}

#[test]
fn values_that_contradict_each_other() {
    for (text, line, column, message) in [
        (
            "[burst]\nhold_back = \"6s\"",
            4,
            13,
            "the rule \"30 in 1m\" of the trigger tag takes a hold-back of 1m1s, and `burst.hold_back` is 6s: \
             up to 29 builds of a burst could be submitted before it is seen",
        ),
        (
            "[burst]\nrules = \"50 in 61s\"",
            4,
            9,
            "the rule \"50 in 1m1s\" of the trigger tag takes a hold-back of 1m2s, and `burst.hold_back` is 1m1s: \
             up to 49 builds of a burst could be submitted before it is seen",
        ),
        (
            "[source]\ndisorder = \"61s\"",
            4,
            12,
            "`burst.quiet` (1m) is shorter than `source.disorder` (1m1s): \
             a burst would be taken for over while its events may still come",
        ),
        (
            "[burst]\nsuspect_max = \"2m\"",
            4,
            15,
            "`burst.suspect_max` (2m) is shorter than `burst.hold_back` and `burst.quiet` together (2m1s): \
             no group could be seen to its end",
        ),
        (
            "[burst]\nquiet_large = \"59s\"",
            4,
            15,
            "`burst.quiet_large` (59s) is shorter than `burst.quiet` (1m): \
             a large group would be decided sooner than a small one",
        ),
        (
            "[burst]\nlarge = 29",
            4,
            9,
            "`burst.large` (29) is below the smallest rule's 30 builds: every group would be a large one",
        ),
        (
            "[evidence]\nmax_trail_age = \"401d\"",
            4,
            17,
            "`dedupe.known_builds` (400d) is shorter than `evidence.max_trail_age` (401d): \
             a build could be forgotten while its trail still counts, and be built again",
        ),
        (
            "family = \"f41\"\ncutover_max = \"1h\"",
            4,
            15,
            "`trigger.cutover_max` (1h) is shorter than `trigger.cutover_quiet` (2h): \
             an alert would come before a cutover can end",
        ),
        ("[burst.hold_rule]\nthen = \"drop\"", 4, 8, "`burst.hold_rule.then` does not say after which time"),
        (
            "[evidence]\nask_koji = true",
            4,
            12,
            "`evidence.ask_koji` is on, and `evidence.hub` does not say where Koji is",
        ),
        (
            "[evidence]\ncandidate_tags = [\"{release}\"]",
            4,
            18,
            "`evidence.candidate_tags`: \"{release}\" proves no build new, \
             it is a tag of the family: a re-tag puts a build there too",
        ),
        (
            "[evidence]\nrebuild_tags = [\"f42-signing-pending\"]",
            4,
            16,
            "`evidence.rebuild_tags`: \"f42-signing-pending\" proves no build new, \
             it is where signing puts a build, and signing anew does so too",
        ),
        (
            "tag = \"f43\"",
            3,
            7,
            "`trigger.tag` says \"f43\", and `trigger.follow` names the tag \"f42\" itself",
        ),
        (
            "family = \"f42@2025-02-04T10:00:00Z\"",
            3,
            10,
            "`trigger.family` says that \"f42\" was left on 2025-02-04T10:00:00Z, and it is the tag to follow",
        ),
        (
            "family = [\"f41\", \"rawhide\"]",
            3,
            10,
            "\"rawhide\" in `trigger.family` is an alias, and the family is made of tags",
        ),
        (
            "[select]\npackages_fallback = \"list.txt\"",
            4,
            21,
            "`select.packages_fallback` stands in for `select.packages`, which is not stated",
        ),
        (
            "[source]\nusername = \"me\"",
            4,
            12,
            "`source.username` is of no use without `source.password_file`",
        ),
        ("[sink]\nhub = \"https://example.org\"", 4, 7, "`sink.hub` does not go with kind \"dry_run\""),
        ("[sink]\nkind = \"ebs\"", 4, 8, "kind \"ebs\" needs `sink.url`"),
    ] {
        check(text, &[(line, column, message)]);
    }
}

#[test]
fn the_edges_of_contradictions_are_taken() {
    for text in [
        "[burst]\nrules = \"50 in 60s\"",
        "[burst]\nhold_back = \"6s\"\nrules = \"100 in 5s\"",
        "[source]\ndisorder = \"60s\"",
        "[burst]\nsuspect_max = \"2m1s\"\nquiet_large = \"1m\"",
        "[burst]\nlarge = 30",
        "[evidence]\nmax_trail_age = \"400d\"",
        "family = \"f41\"\ncutover_max = \"2h\"",
        "[select]\npackages = \"https://example.org/b.txt\"\nwait_for_list = true",
        "[select]\npackages = \"https://example.org/b.txt\"\npackages_fallback = \"a.txt\"",
        "[select]\npackages = \"a.txt\"",
        "[burst]\nwaiting_max = 101",
        "[burst]\nhold_size = 31",
        "[governor]\ncapacity = 40",
        "[batch]\ngap = \"61s\"",
        "tag = \"f42\"",
        "family = \"f42\"",
        "[select]\nlist_change_max = 1\nrenames = { a = \"b\", b = \"c\" }",
        "[burst.hold_rule]\nafter = \"24h\"\nthen = \"drop\"",
    ] {
        let pipeline = pipeline::parse("x.toml", &format!("{HEAD}{text}"), &[]);
        assert_eq!(pipeline.map(|pipeline| pipeline.warnings), Ok(vec![]), "{text}");
    }
}

#[test]
fn what_is_no_toml() {
    for (text, line, column, message) in [
        ("[burst]\nhold_back = 61s", 4, 13, "`61s` lacks its quotes"),
        ("tag = f42", 3, 7, "`f42` lacks its quotes"),
        ("[burst]\nallow_leak = False", 4, 14, "`False` is not written like this"),
        ("[burst]\nquiet =", 4, 8, "a value is missing"),
        ("[burst]\nlarge = 50\nlarge = 60", 5, 1, "`large` is stated twice"),
        ("[burst]\nrules = [\"100 in 5s\" \"30 in 60s\"]", 4, 22, "a list goes on without a comma"),
        ("[burst]\nrules = [\"100 in 5s\"\nlarge = 1\n[sink]\nx = 1", 5, 1, "a list goes on without a comma"),
        (
            "[select]\ninclude = [\"\\d\"]",
            4,
            14,
            "a backslash in double quotes begins a special character, and this is none",
        ),
        ("[burst\nlarge = 1", 3, 7, "this is no TOML: unclosed table, expected `]`"),
        ("[burst]\nquiet \"60s\"", 4, 7, "this is no TOML: key with no value, expected `=`"),
    ] {
        check(text, &[(line, column, message)]);
    }
}

#[test]
fn every_error_of_a_file_is_told_at_once() {
    check(
        "[burst]\nhold_back = 61s\nquiet = \"90\"\nlarge = 1\nfoo = 1\n\
         [select]\ninclude = ['a(b', '[z-a]']\n[surce]\nx = 1\n[sink]\nkind = \"koji\"\nurl = \"https://x\"\n",
        &[
            (4, 13, "`61s` lacks its quotes"),
            (5, 10, "`burst.quiet`: `90` has no unit"),
            (6, 9, "`burst.large`: 1 is out of range"),
            (7, 1, "there is no key `foo` in [burst]"),
            (9, 14, "`select.include`: the regular expression is wrong here: unclosed group"),
            (
                9,
                21,
                "`select.include`: the regular expression is wrong here: \
                 invalid character class range, the start must be <= the end",
            ),
            (10, 2, "there is no section [surce]"),
            (13, 8, "kind \"koji\" needs `sink.hub`"),
            (13, 8, "kind \"koji\" needs `sink.target`"),
            (13, 8, "kind \"koji\" cannot log in"),
            (14, 7, "`sink.url` does not go with kind \"koji\""),
        ],
    );
}

#[test]
fn errors_of_settings_point_at_them() {
    let sets = [
        "foo.bar=1",
        "burst.hold_bak=1",
        "burst.quiet=60",
        "trigger.tag=f43",
        "burst.hold_back=6s",
        "sink.token=hunter2",
    ];
    let findings = errors(HEAD, &sets);
    assert_eq!(
        told(&findings),
        [
            (0, 13, "`burst.quiet`: takes a duration, not the whole number `60`"),
            (0, 13, "`trigger.tag` says \"f43\", and `trigger.follow` names the tag \"f42\" itself"),
            (
                0,
                17,
                "the rule \"30 in 1m\" of the trigger tag takes a hold-back of 1m1s, and `burst.hold_back` is 6s: \
                 up to 29 builds of a burst could be submitted before it is seen",
            ),
            (0, 1, "there is no section [foo]"),
            (0, 7, "there is no key `hold_bak` in [burst]"),
            (0, 6, "`token` would be a secret, and a pipeline file holds none"),
        ]
    );
    let report = pipeline::Report { findings }.to_string();
    assert!(report.contains("--> --set burst.hold_bak=1 (column 7)"), "{report}");
    assert!(report.contains("6 errors: the pipeline was not loaded"), "{report}");
    assert!(!report.contains("hunter2"), "{report}");
}

#[test]
fn what_to_follow_must_be_said() {
    let message = "the pipeline does not say which tag it follows";
    assert_eq!(told(&errors("", &[])), [(0, 0, message)]);
    assert_eq!(told(&errors("# nothing\n\n[trigger]\ncutover_max = \"3d\"", &[])), [(3, 2, message)]);
    assert_eq!(told(&errors("[trigger]\nfollow = \"\"", &[])), [(2, 10, "`trigger.follow`: is empty")]);
}

#[test]
fn doubts_are_warnings() {
    for (text, line, column, message) in [
        ("[burst]\nallow_leak = true", 4, 14, "`burst.allow_leak` is on, and no rule can leak"),
        (
            "[burst]\nallow_leak = true\nhold_back = \"6s\"",
            5,
            13,
            "the rule \"30 in 1m\" of the trigger tag takes a hold-back of 1m1s, and `burst.hold_back` is 6s: \
             up to 29 builds of a burst could be submitted before it is seen",
        ),
        (
            "[select]\npackages = \"a.txt\"\nwait_for_list = true",
            5,
            17,
            "`select.wait_for_list` is on, and there is no list to wait for",
        ),
        (
            "[burst.hold_rule]\nafter = \"24h\"",
            4,
            9,
            "after 1d the rule of a hold says to wait, as a hold does anyway",
        ),
        (
            "[evidence]\nhub = \"https://example.org\"",
            4,
            7,
            "`evidence.hub` says where Koji is, and Koji is not asked",
        ),
        (
            "[burst]\nhold_size = 30",
            4,
            13,
            "`burst.hold_size` (30) is not above the smallest rule's 30 builds: every honest group is held",
        ),
        (
            "[governor]\ncapacity = 41",
            4,
            12,
            "`governor.capacity` (41) is more than `governor.in_flight` (40) lets start",
        ),
        (
            "[evidence]\ncandidate_tags = []\nrebuild_tags = []\nside_tag_prefixes = []",
            4,
            18,
            "no tag counts as evidence, and Koji is not asked: \
             a build whose completion was not seen waits for a person",
        ),
        (
            "[batch]\ngap = \"62s\"",
            4,
            7,
            "`batch.gap` (1m2s) is longer than `burst.hold_back` (1m1s): every batch waits for the difference",
        ),
        (
            "[burst]\nsuspect_max = \"5m\"",
            4,
            15,
            "`burst.suspect_max` (5m) ends every large group before `burst.quiet_large` (10m) can",
        ),
    ] {
        let pipeline = pipeline::parse("x.toml", &format!("{HEAD}{text}"), &[]);
        let warnings = pipeline.map(|pipeline| pipeline.warnings).expect("only warnings");
        assert_eq!(told(&warnings), [(line, column, message)], "{text}");
        assert_eq!(warnings[0].severity, Severity::Warning);
    }
}
