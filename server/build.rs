//! What cargo cannot see by itself: a new migration, and another site, must reach the binary even when no Rust file changed.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
    println!("cargo:rerun-if-env-changed=ELECTRONS_SITE_DIR");
    if let Ok(site) = std::env::var("ELECTRONS_SITE_DIR") {
        println!("cargo:rerun-if-changed={site}");
    }
}
