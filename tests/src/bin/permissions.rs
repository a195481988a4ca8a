//! Compares what each function was seen to ask AWS for with what its role in `infra/template.yaml` allows, both ways.
#![expect(clippy::print_stdout, reason = "what people run")]

use std::process::ExitCode;

use keyward_tests::emulators::calls_folder;
use keyward_tests::end_to_end::STACK;
use keyward_tests::template::calls::{UNSEEN, compare, seen};
use keyward_tests::template::{FUNCTIONS, Stack, Template};

/// What a function may do beside its role, where a parameter asks for it, and does in the suites: function and policy.
const BESIDE: [(&str, &str); 1] = [("audit", "SecurityHubPolicy")];

fn main() -> ExitCode {
    let Some(template) = Template::read() else {
        return ExitCode::SUCCESS;
    };
    let stack = Stack::of(&template, &[]);
    let all = seen(&calls_folder(), STACK);
    let mut code = ExitCode::SUCCESS;
    for (name, logical) in FUNCTIONS {
        let Some(calls) = all.get(name) else {
            println!("{name}: no call of it was kept; the suites keep them: make suites");
            code = ExitCode::FAILURE;
            continue;
        };
        let mut role = stack.policy(&format!("{logical}Role"));
        let beside = BESIDE.iter().filter(|(function, _)| *function == name);
        role.0
            .extend(beside.flat_map(|(_, policy)| stack.policy(policy).0));
        let found = compare(name, &role, calls);
        let kinds: std::collections::BTreeSet<_> = calls.iter().map(|call| &call.action).collect();
        println!("{name}: {} actions asked for", kinds.len());
        for missing in &found.missing {
            println!("{name}: not allowed, and asked for: {missing}");
        }
        for unused in &found.unused {
            println!("{name}: allowed, and never asked for: {unused}");
        }
        if !found.missing.is_empty() || !found.unused.is_empty() {
            code = ExitCode::FAILURE;
        }
    }
    for (function, action, why) in UNSEEN {
        println!("excused: {function} {action}: {why}");
    }
    code
}
