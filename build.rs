//! Link arguments and type declarations for the Node.js addon.

fn main() {
    napi_build::setup();
}
