//! The attributes `#[program]` and `#[kernel_test]`: each leaves its function as it is and adds one entry to a list that the linker
//! gathers over all crates (`linkme`). Written on bare tokens: the only thing to find is the name after `fn`.

use proc_macro::{TokenStream, TokenTree};

/// Registers `fn main()` or `fn main() -> i32` as the program named like its module: the file's name, underscores kept.
///
/// The result of `fn main() -> i32` is the program's exit status, as with `runtime::exit`.
#[proc_macro_attribute]
pub fn program(args: TokenStream, item: TokenStream) -> TokenStream {
    let Some(name) = plain_function(&args, &item) else {
        return error(
            "#[program] takes no arguments and stands on a function without parameters: `fn main()`",
        );
    };
    let entry = format!(
        "#[allow(unsafe_code, reason = \"linkme places the entry in a section of its own\")]
        const _: () = {{
            fn run() {{ ::runtime::Termination::report({name}()) }}
            #[::runtime::__private::linkme::distributed_slice(::runtime::PROGRAMS)]
            #[linkme(crate = ::runtime::__private::linkme)]
            static PROGRAM: ::runtime::Program = ::runtime::Program::in_module(::core::module_path!(), run);
        }};"
    );
    add(item, &entry)
}

/// Registers `fn name()` as a test that the program `kernel_tests` runs on a goroutine of its own, under its full path.
///
/// The function exists only with the feature `kernel-tests` of the crate it is in, and not in the crate's own unit tests, which have no machine.
#[proc_macro_attribute]
pub fn kernel_test(args: TokenStream, item: TokenStream) -> TokenStream {
    let Some(name) = plain_function(&args, &item) else {
        return error("#[kernel_test] takes no arguments and stands on a function without parameters");
    };
    let entry = format!(
        "#[cfg(all(feature = \"kernel-tests\", not(test)))]
        #[allow(unsafe_code, reason = \"linkme places the entry in a section of its own\")]
        const _: () = {{
            #[::runtime::__private::linkme::distributed_slice(::runtime::testing::KERNEL_TESTS)]
            #[linkme(crate = ::runtime::__private::linkme)]
            static TEST: ::runtime::testing::KernelTest = ::runtime::testing::KernelTest {{
                name: ::core::concat!(::core::module_path!(), \"::\", ::core::stringify!({name})),
                run: {name},
            }};
        }};"
    );
    let mut out: TokenStream =
        "#[cfg(all(feature = \"kernel-tests\", not(test)))]".parse().expect("an attribute");
    out.extend(add(item, &entry));
    out
}

/// The name of the function in `item` if it has no parameters and there are no attribute arguments.
fn plain_function(args: &TokenStream, item: &TokenStream) -> Option<String> {
    let mut tokens = item.clone().into_iter().skip_while(|t| t.to_string() != "fn").skip(1);
    let name = tokens.next()?;
    let parameters = match tokens.next()? {
        TokenTree::Group(g) => g.stream(),
        _ => return None,
    };
    (args.is_empty() && parameters.is_empty()).then(|| name.to_string())
}

fn add(item: TokenStream, entry: &str) -> TokenStream {
    let mut out = item;
    out.extend(entry.parse::<TokenStream>().expect("the entry is Rust"));
    out
}

/// A `compile_error!` at the place of the attribute.
fn error(text: &str) -> TokenStream {
    debug_assert!(!text.contains('"'));
    format!("::core::compile_error!(\"{text}\");").parse().expect("a macro call")
}
