//! Links the unwinder statically: every program of a pod would otherwise load libgcc_s.so.1 with the shim, which costs an
//! exec a tenth of its time.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    let path = std::process::Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    let path = path.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    if let Some(directory) = std::path::Path::new(path.trim()).parent() {
        println!("cargo:rustc-link-search=native={}", directory.display());
    }
}
