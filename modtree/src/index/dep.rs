//! `modules.dep`: a line for each module, with everything it needs, the deepest dependency last.
//!
//! A module depends on the owners of the symbols that it imports. depmod numbers the modules so that users come before what
//! they use, and sorts each line by these numbers (`depmod_calculate_dependencies`).

use std::os::unix::ffi::OsStrExt;

use super::{IndexError, Indexed, Owners};

/// Writes the file.
pub(super) fn file(modules: &[Indexed], owners: &Owners<'_>) -> Result<Vec<u8>, IndexError> {
    let needs: Vec<Vec<usize>> = modules.iter().map(|module| needs(module, owners)).collect();
    let rank = ranks(modules, &needs)?;
    let mut file = Vec::new();
    for (at, module) in modules.iter().enumerate() {
        let mut all = reachable(at, &needs);
        all.sort_by_key(|&needed| rank[needed]);
        file.extend_from_slice(module.place.as_os_str().as_bytes());
        file.push(b':');
        for needed in all {
            file.push(b' ');
            file.extend_from_slice(modules[needed].place.as_os_str().as_bytes());
        }
        file.push(b'\n');
    }
    Ok(file)
}

/// The modules whose symbols one module imports, in the order of its first use of each.
fn needs(module: &Indexed, owners: &Owners<'_>) -> Vec<usize> {
    let mut needs = Vec::new();
    for owner in module
        .symbols
        .imports
        .iter()
        .filter_map(|symbol| owners.of(symbol))
    {
        if !needs.contains(&owner) {
            needs.push(owner);
        }
    }
    needs
}

/// depmod's numbers: modules that nobody uses first (taken from the end of the list), then what loses its last user.
fn ranks(modules: &[Indexed], needs: &[Vec<usize>]) -> Result<Vec<usize>, IndexError> {
    let mut users = vec![0_usize; needs.len()];
    for &needed in needs.iter().flatten() {
        users[needed] += 1;
    }
    let mut ready: Vec<usize> = (0..needs.len()).filter(|&at| users[at] == 0).collect();
    let mut rank = vec![None; needs.len()];
    let mut next = 0;
    while let Some(at) = ready.pop() {
        rank[at] = Some(next);
        next += 1;
        for &needed in &needs[at] {
            users[needed] -= 1;
            if users[needed] == 0 {
                ready.push(needed);
            }
        }
    }
    let unranked = rank.iter().zip(modules).filter(|(rank, _)| rank.is_none());
    let cycle: Vec<String> = unranked
        .map(|(_, module)| module.name.to_string())
        .collect();
    if !cycle.is_empty() {
        return Err(IndexError::Cycle(cycle));
    }
    Ok(rank.into_iter().flatten().collect())
}

/// Everything that a module needs, directly or not.
fn reachable(from: usize, needs: &[Vec<usize>]) -> Vec<usize> {
    let mut seen = vec![false; needs.len()];
    let mut found = Vec::new();
    let mut stack = vec![from];
    while let Some(at) = stack.pop() {
        for &needed in &needs[at] {
            if !std::mem::replace(&mut seen[needed], true) {
                found.push(needed);
                stack.push(needed);
            }
        }
    }
    found
}
