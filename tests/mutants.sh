#!/bin/bash
# Breaks the engine in one place at a time and expects its tests to notice.
#
#   tests/mutants.sh            all mutants
#   tests/mutants.sh quiet      those whose name contains a word
#
# Works in a temporary copy of the tree, offline, and never touches the tree itself. Builds into MUTANTS_TARGET_DIR if
# that is set, so that a second run need not compile the dependencies again, else into the copy. Ends with 0 if every
# mutant is noticed; a mutant that survives, that does not compile, or whose place is not found exactly once is an error.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
only=${1:-}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' INT TERM
mkdir "$copy/tree"
(cd "$root" && tar cf - --exclude=./target --exclude=./.git .) | (cd "$copy/tree" && tar xf -)
# Never where the tree itself is built: the last mutant would be left there, newer than its sources.
CARGO_TARGET_DIR=${MUTANTS_TARGET_DIR:-$copy/target}
if [ "$CARGO_TARGET_DIR" -ef "$root/target" ]; then
    echo "MUTANTS_TARGET_DIR must not be the target directory of the tree: name another one" >&2
    exit 2
fi
find "$copy/tree/src" "$copy/tree/tests" -name '*.rs' -exec touch {} +
export CARGO_TARGET_DIR CARGO_NET_OFFLINE=true RUST_BACKTRACE=0
cd "$copy/tree"

tried=0
failed=0

# The tests that have to notice, the quickest first.
suites='engine engine_reference engine_laws'

compiles() {
    # shellcheck disable=SC2046
    cargo test -q --no-run $(printf -- '--test %s ' $suites) >"$copy/log" 2>&1
}

# A loop that never ends is noticed too: the tests take seconds.
tests_pass() {
    for suite in $suites; do
        timeout 300 cargo test -q --test "$suite" >"$copy/log" 2>&1 || return 1
    done
}

# The first test that failed.
who_noticed() {
    name=$(sed -n 's/^    \([a-z_]*::\)\{0,1\}\([a-z_]*\)$/\2/p' "$copy/log" | head -n 1)
    echo "noticed by ${name:-$suite, which does not end}"
}

# mutant NAME FILE OLD NEW
mutant() {
    case $1 in *"$only"*) ;; *) return 0 ;; esac
    tried=$((tried + 1))
    file=src/engine/$2
    [ "$2" = engine.rs ] && file=src/engine.rs
    cp "$file" "$copy/original"
    if ! OLD=$3 NEW=$4 perl -0777 -i -pe \
        '$n = s/\Q$ENV{OLD}\E/$ENV{NEW}/g; END { exit($n == 1 ? 0 : 1) }' "$file"; then
        verdict="ERROR: its place was not found exactly once"
    elif ! compiles; then
        cat "$copy/log" >&2
        verdict="ERROR: it does not compile"
    elif tests_pass; then
        verdict=SURVIVED
    else
        verdict=$(who_noticed)
    fi
    cp "$copy/original" "$file"
    case $verdict in noticed*) ;; *) failed=$((failed + 1)) ;; esac
    printf '%-44s %s\n' "$1" "$verdict"
}

if ! compiles || ! tests_pass; then
    cat "$copy/log"
    echo "the tests fail without any mutant" >&2
    exit 1
fi

mutant 'window one second longer' window.rs \
    'filter(|(second, _)| *second <= start)' \
    'filter(|(second, _)| *second < start)'
mutant 'window one second longer for a build again' window.rs \
    'before.is_none_or(|before| before <= now - rule.within)' \
    'before.is_none_or(|before| before < now - rule.within)'
mutant 'window of true time one second longer' window.rs \
    'next_if(|(from, _)| *from <= at - rule.within)' \
    'next_if(|(from, _)| *from < at - rule.within)'
mutant 'window needs one build more' window.rs \
    'count.distinct >= rule.count' \
    'count.distinct > rule.count'
mutant 'events for distinct builds' window.rs \
    'if before.is_none_or(|before| before <= now - rule.within) {' \
    'if before.is_none_or(|before| before <= now) {'
mutant 'late events not counted where they happened' window.rs \
    '(happened < effective).then(' \
    '(happened > effective).then('
mutant 'hold-back one second short' engine.rs \
    'let gating = ' \
    'let mut settings = settings; settings.burst.hold_back.0 -= 1; let gating = '
mutant 'events before timers' engine.rs \
    'event.is_none_or(|event| timer <= event)' \
    'event.is_none_or(|event| timer < event)'
mutant 'newest of the watermarks' engine.rs \
    'each.min().flatten()' \
    'each.max().flatten()'
mutant 'watermark goes back' engine.rs \
    'each.min().flatten().max(self.passed)' \
    'each.min().flatten()'
mutant 'flood rule off' burst.rs \
    'members >= rules.smallest_count() && run.members.fresh * 2 < members' \
    'members == 0'
mutant 'flood rule at half' burst.rs \
    'run.members.fresh * 2 < members' \
    'run.members.fresh * 2 <= members'
mutant 'quiet one second short' burst.rs \
    'let over = quiet.max(' \
    'let over = (quiet - Seconds(1)).max('
mutant 'quiet one second long' burst.rs \
    'let over = quiet.max(' \
    'let over = (quiet - Seconds(-1)).max('
mutant 'a group ends before its last hold-back' burst.rs \
    'quiet.max(run.last + settings.hold_back)' \
    'quiet'
mutant 'large one build early' burst.rs \
    'run.members.total() > settings.large' \
    'run.members.total() >= settings.large'
mutant 'a group is suspected for ever' burst.rs \
    'over.min(run.first + settings.suspect_max)' \
    'over'
mutant 'no next group' burst.rs \
    'self.run = Some(next);' \
    'drop(next);'
mutant 'a mass rebuild fades before it is due' burst.rs \
    'run.mass |= ' \
    'run.mass &= '
mutant 'gating users make mass rebuilds' burst.rs \
    'let by_one = self.memory.fresh_of_one_actor(&rules.gating, now)' \
    'let by_one = self.memory.fresh_of_one_actor(&[], now)'
mutant 'late into a closed burst is alone' burst.rs \
    '.contains(&event.happened);' \
    '.contains(&event.effective);'
mutant 'memory never fades' memory.rs \
    '(-((now - self.at).0.max(0) as f64) / HALF_LIFE).exp2()' \
    '(-((now - self.at).0.min(0) as f64) / HALF_LIFE).exp2()'
mutant 'revocation off' seen.rs \
    'entry.revoked = true;
        }
        Ok(())' \
    'entry.revoked = false;
        }
        Ok(())'
mutant 'an untag read twice revokes twice' seen.rs \
    'seen == print && at - when.second() <= id_age) {
            return Err(Reason::MessageSeen);' \
    'seen == print && at - when.second() <= id_age && print == 0) {
            return Err(Reason::MessageSeen);'
mutant 'dedupe without the instance' seen.rs \
    'Self { id: build.id, instance: build.instance, tag }' \
    'Self { id: build.id, instance: Name(1), tag }'
mutant 'submitted builds are forgotten' seen.rs \
    'self.submitted.contains(&build)' \
    'self.submitted.contains(&build) && self.entries.is_empty()'
mutant 'late events at their true time' clock.rs \
    'Stamp { effective: watermark, happened, mark, late: true }' \
    'Stamp { effective: happened, happened, mark, late: true }'
mutant 'a jump needs no second witness' clock.rs \
    'if sent - high <= JUMP {' \
    'if sent >= high || sent - high <= JUMP {'
mutant 'known builds are looked up after admission' evidence.rs \
    '            _ if evidence.known.is_some() => Standing::Known,
            Proof::Fresh => Standing::Fresh,' \
    '            Proof::Fresh => Standing::Fresh,
            _ if evidence.known.is_some() => Standing::Known,'
mutant 'known only where seen earlier' evidence.rs \
    'first <= event.first_seen' \
    'first < event.first_seen'
mutant 'known after the tag was left' tags.rs \
    'first > away.from && away.until' \
    'first >= away.from && away.until'
mutant 'evidence ages one second early' trail.rs \
    'let recent = |at: Second| now - at <= rules.max_age;' \
    'let recent = |at: Second| now - at < rules.max_age;'
mutant 'young candidates prove' trail.rs \
    'seen.kind == TrailTag::Side || seen.at.second() + rules.ripe_after <= now' \
    'seen.at.second() <= now'
mutant 'candidates prove in a burst' trail.rs \
    'seen.run == 0 && !entered_in_burst' \
    '!entered_in_burst'
mutant 'leaving a tag proves more than entering' trail.rs \
    'seen.run == 0 && !entered_in_burst' \
    'seen.run == 0'
mutant 'what lies before a run of candidates proves' counter.rs \
    'self.unclaimed.drain(claimed..)' \
    'self.unclaimed.drain(..).skip(claimed)'
mutant 'late candidates keep their proof' counter.rs \
    'self.claim_by_truth(key, run.number, fired.from, trails);' \
    ''
mutant 'what happened first keeps its proof' counter.rs \
    'self.windows.happened(from, reached - Seconds(1))' \
    'self.windows.happened(from + Seconds(1), reached - Seconds(1))'
mutant 'a rule that reaches further back claims no more' burst.rs \
    'fired.from < run.reached' \
    'fired.from < run.reached && run.members.total() == 0'
mutant 'rebuild tags do not count' verdict.rs \
    'evidence.rebuild.is_some() || kind' \
    'kind'
mutant 'the tail of a mass rebuild passes' verdict.rs \
    'trigger.is_mass_rebuilder(' \
    'trigger.waiting() == usize::MAX && trigger.is_mass_rebuilder('
mutant 'nothing is superseded' verdict.rs \
    '*newest > (event.effective, event.position)' \
    '*newest < (event.effective, event.position)'
mutant 'released known builds are submitted' verdict.rs \
    'if !explicit && ' \
    'if explicit && '
mutant 'empty holds stay open' verdict.rs \
    'if settles {' \
    'if !settles {'
mutant 'a version is not compared' command.rs \
    'filter(|&seen| seen != hold.version)' \
    'filter(|&seen| seen > hold.version)'
mutant 'what was ignored is forgotten' turn.rs \
    'self.select.goes_by_list()' \
    'self.teaching'

[ "$tried" -gt 0 ] || { echo "no mutant is called so: $only" >&2; exit 1; }
echo "$tried mutants, $failed not noticed or in error"
[ "$failed" -eq 0 ]
