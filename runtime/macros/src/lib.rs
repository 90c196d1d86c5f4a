//! `select!`, and the attributes `#[program]`, `#[init]` and `#[kernel_test]`: each leaves its function as it is and adds one entry to a list that the linker
//! gathers over all crates (`linkme`). Written on bare tokens: the only thing to find is the name after `fn`.
//!
//! Items have no hygiene: what an entry declares would hide the user's function of the same name from the entry itself. So it declares nothing but
//! a static whose name begins with `__GZERO_`.

mod select;

use proc_macro::{Delimiter, TokenStream, TokenTree};

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
            #[::runtime::__private::linkme::distributed_slice(::runtime::PROGRAMS)]
            #[linkme(crate = ::runtime::__private::linkme)]
            static __GZERO_PROGRAM: ::runtime::Program = ::runtime::Program::in_module(
                ::core::module_path!(),
                ::core::file!(),
                ::core::line!(),
                || ::runtime::Termination::report({name}()),
            );
        }};"
    );
    // Reports name it, as Go's name `main.main`.
    let mut out: TokenStream = "#[inline(never)]".parse().expect("an attribute");
    out.extend(add(item, &entry));
    out
}

/// Registers `fn name()` as an init task: it runs before `main`, on the main goroutine. `#[init(after = [path::to::other, …])]` runs it after
/// others; each is named as its function would be. One that is no init task does not compile; a cycle ends the program before `main`.
#[proc_macro_attribute]
pub fn init(args: TokenStream, item: TokenStream) -> TokenStream {
    let Some(after) = after(args) else {
        return error(
            "#[init] takes nothing or a list of other init functions: #[init(after = [one, other])]",
        );
    };
    let Some(name) = plain_function(&TokenStream::new(), &item) else {
        return error("#[init] stands on a function without parameters");
    };
    let visibility: TokenStream = item
        .clone()
        .into_iter()
        .skip_while(|t| t.to_string() != "pub")
        .take_while(|t| t.to_string() != "fn")
        .collect();
    let after: String =
        after.iter().map(|path| format!("<{path} as ::runtime::init::Init>::task,")).collect();
    // A type of the function's name, in the other name space: it is imported together with the function.
    let entry = format!(
        "#[allow(non_camel_case_types, dead_code, reason = \"it has the name of the function, for others to name\")]
        #[doc(hidden)]
        {visibility} enum {name} {{}}
        #[allow(unsafe_code, reason = \"linkme places the entry in a section of its own\")]
        const _: () = {{
            static __GZERO_TASK: ::runtime::init::InitTask = ::runtime::init::InitTask {{
                name: ::core::concat!(::core::module_path!(), \"::\", ::core::stringify!({name})),
                file: ::core::file!(),
                place: (::core::line!(), ::core::column!()),
                run: {name},
                after: &[{after}],
            }};
            impl ::runtime::init::Init for {name} {{
                fn task() -> &'static ::runtime::init::InitTask {{ &__GZERO_TASK }}
            }}
            #[::runtime::__private::linkme::distributed_slice(::runtime::init::INIT_TASKS)]
            #[linkme(crate = ::runtime::__private::linkme)]
            static __GZERO_ENTRY: &::runtime::init::InitTask = &__GZERO_TASK;
        }};"
    );
    add(item, &entry)
}

/// The paths in `after = [path, …]`; none if there is nothing. `None` if it is anything else.
fn after(args: TokenStream) -> Option<Vec<String>> {
    let mut tokens = args.into_iter();
    let Some(word) = tokens.next() else { return Some(Vec::new()) };
    let (equals, list) = (tokens.next()?, tokens.next()?);
    let TokenTree::Group(list) = list else { return None };
    let right = word.to_string() == "after" && equals.to_string() == "=" && tokens.next().is_none();
    if !right || list.delimiter() != Delimiter::Bracket {
        return None;
    }
    let mut paths = vec![String::new()];
    for token in list.stream() {
        match token {
            TokenTree::Punct(p) if p.as_char() == ',' => paths.push(String::new()),
            token => paths.last_mut()?.push_str(&token.to_string()),
        }
    }
    paths.retain(|path| !path.is_empty());
    Some(paths)
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
            static __GZERO_TEST: ::runtime::testing::KernelTest = ::runtime::testing::KernelTest {{
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

/// See `runtime::select!`, which this is.
#[proc_macro]
pub fn select(arms: TokenStream) -> TokenStream {
    select::expand(arms)
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
