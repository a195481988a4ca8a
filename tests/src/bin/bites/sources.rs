//! A copy of the sources to put faults into.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Brings the copy up to the sources, touching only files that differ, so that little is built again.
pub(crate) fn copy(root: &Path, copy: &Path) -> Result<(), String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|e| format!("git ls-files: {e}"))?;
    if !listed.status.success() {
        let log = String::from_utf8_lossy(&listed.stderr);
        return Err(format!("git ls-files failed: {}", log.trim()));
    }
    let listed = String::from_utf8_lossy(&listed.stdout);
    let listed: BTreeSet<&Path> = listed.lines().map(Path::new).collect();
    remove_others(copy, copy, &listed)?;
    for file in listed {
        let Ok(text) = fs::read(root.join(file)) else {
            continue;
        };
        let to = copy.join(file);
        if fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        let folder = to.parent().unwrap_or(copy);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&to, text))
            .map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(())
}

/// Removes from the copy what is not among the sources any more.
fn remove_others(copy: &Path, folder: &Path, listed: &BTreeSet<&Path>) -> Result<(), String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_listed = path
            .strip_prefix(copy)
            .is_ok_and(|file| listed.contains(file));
        if path.is_dir() {
            remove_others(copy, &path, listed)?;
        } else if !is_listed {
            fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        }
    }
    Ok(())
}

/// Puts one text in the place of another.
pub(crate) fn edit(path: &Path, find: &str, replace: &str) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|e| e.to_string())?;
    if !text.contains(find) {
        return Err(format!(
            "there is no `{find}` any more: bring the fault up to date"
        ));
    }
    fs::write(path, text.replace(find, replace)).map_err(|e| e.to_string())
}
