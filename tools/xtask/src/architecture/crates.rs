//! The direction between crates: types <- contract <- bus <- store <- http <- services <- souk. No
//! service depends on another one. Crates under `tests/` and `tools/` may depend on all of them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Violation;
use super::layers::Source;
use crate::command::cargo_command;
use crate::files;

/// The common crates, each above the ones before it.
const COMMON: [&str; 5] = ["souk-types", "souk-contract", "souk-bus", "souk-store", "souk-http"];
const COMMAND: &str = "souk";

pub(super) struct Package {
    name: String,
    /// From the root of the workspace.
    folder: PathBuf,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    /// Only for tests, examples and benchmarks.
    is_dev: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Height {
    Common(usize),
    Service,
    Command,
    Tool,
}

impl Package {
    /// Services are the crates at the top of the workspace, but for the command.
    pub(super) fn is_service(&self) -> bool {
        self.height() == Height::Service
    }

    fn height(&self) -> Height {
        if let Some(at) = COMMON.iter().position(|name| *name == self.name) {
            return Height::Common(at);
        }
        match self.folder.components().count() {
            1 if self.name == COMMAND => Height::Command,
            1 => Height::Service,
            _ => Height::Tool,
        }
    }

    pub(super) fn sources(&self) -> Result<Vec<Source>, String> {
        let root = self.folder.join("src");
        let mut sources = Vec::new();
        for file in files::list(files::is_rust)? {
            let Ok(inside) = Path::new(&file).strip_prefix(&root) else { continue };
            let module = module(inside);
            if module != ["main"] {
                let text = fs::read_to_string(fleet::workspace_dir().join(&file));
                sources.push(Source { text: text.map_err(|error| format!("{file}: {error}"))?, file, module });
            }
        }
        Ok(sources)
    }
}

/// Returns the module of a file in `src`: `domain/order.rs` and `domain/order/mod.rs` are
/// `["domain", "order"]`.
fn module(file: &Path) -> Vec<String> {
    let names =
        file.with_extension("").components().map(|name| name.as_os_str().to_string_lossy().into_owned()).collect();
    match file.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib") if file.components().count() == 1 => Vec::new(),
        Some("mod") => {
            let mut names: Vec<String> = names;
            names.pop();
            names
        }
        _ => names,
    }
}

pub(super) fn read() -> Result<Vec<Package>, String> {
    let mut command = cargo_command(&["metadata", "--no-deps", "--format-version", "1"]);
    let output =
        command.current_dir(fleet::workspace_dir()).output().map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    Ok(packages(&metadata))
}

fn packages(metadata: &Value) -> Vec<Package> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let root = text(&metadata["workspace_root"]);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let dependency = |value: &Value| Dependency { name: text(&value["name"]), is_dev: value["kind"] == "dev" };
    let package = |value: &Value| {
        let manifest = PathBuf::from(text(&value["manifest_path"]));
        let folder = manifest.parent().and_then(|folder| folder.strip_prefix(&root).ok()).unwrap_or(Path::new(""));
        Package {
            name: text(&value["name"]),
            folder: folder.to_owned(),
            dependencies: list(&value["dependencies"]).iter().map(dependency).collect(),
        }
    };
    list(&metadata["packages"]).iter().map(package).collect()
}

pub(super) fn against_the_direction(packages: &[Package]) -> Result<Vec<Violation>, String> {
    let mut violations = Vec::new();
    for (package, dependency) in forbidden(packages) {
        let manifest = package.folder.join("Cargo.toml");
        let file = manifest.display().to_string();
        let text =
            fs::read_to_string(fleet::workspace_dir().join(&manifest)).map_err(|error| format!("{file}: {error}"))?;
        let rule = format!(
            "{} may not depend on {}: types <- contract <- bus <- store <- http <- services <- souk",
            package.name, dependency.name
        );
        violations.push(Violation { line: line_of(&text, &dependency.name), file, rule });
    }
    Ok(violations)
}

fn forbidden(packages: &[Package]) -> Vec<(&Package, &Dependency)> {
    let height = |name: &str| packages.iter().find(|package| package.name == name).map(Package::height);
    let is_forbidden = |package: &Package, dependency: &Dependency| match (package.height(), height(&dependency.name)) {
        (Height::Tool, _) | (_, None) => false,
        // Tests of a service may use the tools.
        (_, Some(Height::Tool)) => !dependency.is_dev,
        (own, Some(other)) => other >= own,
    };
    let all =
        packages.iter().flat_map(|package| package.dependencies.iter().map(move |dependency| (package, dependency)));
    all.filter(|(package, dependency)| is_forbidden(package, dependency)).collect()
}

fn line_of(manifest: &str, dependency: &str) -> usize {
    let is_declared = |line: &str| {
        let rest = line.trim_start().trim_start_matches('"').strip_prefix(dependency);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=', '"']))
    };
    manifest.lines().position(is_declared).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn package(folder: &str, name: &str, dependencies: &[(&str, Option<&str>)]) -> Value {
        let dependency = |(name, kind): &(&str, Option<&str>)| json!({"name": name, "kind": kind});
        json!({
            "name": name,
            "manifest_path": format!("/souk/{folder}/Cargo.toml"),
            "dependencies": dependencies.iter().map(dependency).collect::<Vec<_>>(),
        })
    }

    #[test]
    fn crates_depend_in_one_direction() {
        let workspace = json!({"workspace_root": "/souk", "packages": [
            package("common/types", "souk-types", &[("serde", None)]),
            package("common/bus", "souk-bus", &[("souk-types", None), ("souk-http", Some("dev"))]),
            package("common/http", "souk-http", &[("souk-bus", None), ("customer", None)]),
            package("customer", "customer", &[("souk-http", None), ("products", None), ("journeys", Some("dev"))]),
            package("products", "products", &[("souk-types", None), ("journeys", None)]),
            package("souk", "souk", &[("customer", None), ("products", None)]),
            package("tests/journeys", "journeys", &[("souk", None)]),
        ]});
        let packages = packages(&workspace);
        let found: Vec<_> =
            forbidden(&packages).into_iter().map(|(package, to)| (package.name.as_str(), to.name.as_str())).collect();
        assert_eq!(
            found,
            [("souk-bus", "souk-http"), ("souk-http", "customer"), ("customer", "products"), ("products", "journeys")]
        );
        let services = packages.iter().filter(|package| package.is_service()).map(|package| package.name.as_str());
        assert_eq!(services.collect::<Vec<_>>(), ["customer", "products"]);
    }

    #[test]
    fn dependency_is_found_in_its_manifest() {
        let manifest = "[dependencies]\nsouk-http.workspace = true\nsouk = { path = \"x\" }\n";
        assert_eq!((line_of(manifest, "souk-http"), line_of(manifest, "souk"), line_of(manifest, "no")), (2, 3, 1));
    }

    #[test]
    fn files_are_modules() {
        for (file, expected) in
            [("lib.rs", &[][..]), ("domain.rs", &["domain"]), ("a/b.rs", &["a", "b"]), ("a/mod.rs", &["a"])]
        {
            assert_eq!(module(Path::new(file)), expected, "{file}");
        }
    }
}
