//! Tells the linker where an image's memory lies: the same for all of them.

fn main() {
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo names the package");
    println!("cargo:rustc-link-search={package}/..");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rerun-if-changed=../build.rs");
    println!("cargo:rerun-if-changed=../memory.x");
}
