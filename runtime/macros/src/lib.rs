//! `select!`, and the attributes `#[program]`, `#[init]` and `#[kernel_test]`: each leaves its function as it is and adds one entry to a list that the
//! linker gathers over all crates (`linkme`).
//!
//! Items have no hygiene: what an entry declares would hide the user's function of the same name from the entry itself. So it declares nothing but
//! a static whose name begins with `__GZERO_`.

mod select;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::parse::{Nothing, Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Path, Signature, Token, Visibility, bracketed};

/// Registers `fn main()` or `fn main() -> i32` as the program named like its module: the file's name, underscores kept.
///
/// The result of `fn main() -> i32` is the program's exit status, as with `runtime::exit`.
#[proc_macro_attribute]
pub fn program(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let Some((Nothing, Function { name, .. })) = both(args, &item) else {
        return error(
            "#[program] takes no arguments and stands on a function without parameters: `fn main()`",
        );
    };
    let item = TokenStream::from(item);
    let entry = entry(quote! {
        #[::runtime::__private::linkme::distributed_slice(::runtime::__private::PROGRAMS)]
        #[linkme(crate = ::runtime::__private::linkme)]
        static __GZERO_PROGRAM: ::runtime::Program = ::runtime::Program::in_module(
            ::core::module_path!(),
            ::core::file!(),
            ::core::line!(),
            || ::runtime::Termination::report(#name()),
        );
    });
    // Reports name it, as Go's name `main.main`.
    quote!(#[inline(never)] #item #entry).into()
}

/// Registers `fn name()` as an init task: it runs before `main`, on the main goroutine. `#[init(after = [path::to::other, …])]` runs it after
/// others; each is named as its function would be. One that is no init task does not compile; a cycle ends the program before `main`.
#[proc_macro_attribute]
pub fn init(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let Ok(After(after)) = syn::parse(args) else {
        return error(
            "#[init] takes nothing or a list of other init functions: #[init(after = [one, other])]",
        );
    };
    let Some((Nothing, Function { visibility, name })) = both(proc_macro::TokenStream::new(), &item) else {
        return error("#[init] stands on a function without parameters");
    };
    let (item, after) = (TokenStream::from(item), after.iter());
    // A type of the function's name, in the other name space: it is imported together with the function.
    let entry = entry(quote! {
        static __GZERO_TASK: ::runtime::__private::InitTask = ::runtime::__private::InitTask {
            name: ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)),
            file: ::core::file!(),
            place: (::core::line!(), ::core::column!()),
            run: #name,
            after: &[#(<#after as ::runtime::__private::Init>::task,)*],
        };
        impl ::runtime::__private::Init for #name {
            fn task() -> &'static ::runtime::__private::InitTask { &__GZERO_TASK }
        }
        #[::runtime::__private::linkme::distributed_slice(::runtime::__private::INIT_TASKS)]
        #[linkme(crate = ::runtime::__private::linkme)]
        static __GZERO_ENTRY: &::runtime::__private::InitTask = &__GZERO_TASK;
    });
    quote! {
        #item
        #[allow(non_camel_case_types, dead_code, reason = "it has the name of the function, for others to name")]
        #[doc(hidden)]
        #visibility enum #name {}
        #entry
    }
    .into()
}

/// Registers `fn name()` as a test that the program `kernel_tests` runs on a goroutine of its own, under its full path.
///
/// The function exists only with the feature `kernel-tests` of the crate it is in, and not in the crate's own unit tests, which have no machine.
#[proc_macro_attribute]
pub fn kernel_test(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let Some((Nothing, Function { name, .. })) = both(args, &item) else {
        return error("#[kernel_test] takes no arguments and stands on a function without parameters");
    };
    let item = TokenStream::from(item);
    let entry = entry(quote! {
        #[::runtime::__private::linkme::distributed_slice(::runtime::__private::KERNEL_TESTS)]
        #[linkme(crate = ::runtime::__private::linkme)]
        static __GZERO_TEST: ::runtime::__private::KernelTest = ::runtime::__private::KernelTest {
            name: ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)),
            run: #name,
        };
    });
    quote! {
        #[cfg(all(feature = "kernel-tests", not(test)))]
        #item
        #[cfg(all(feature = "kernel-tests", not(test)))]
        #entry
    }
    .into()
}

/// See `runtime::select!`, which this is.
#[proc_macro]
pub fn select(arms: proc_macro::TokenStream) -> proc_macro::TokenStream {
    select::expand(arms.into()).into()
}

/// A function without parameters. Its body is anybody's.
struct Function {
    visibility: Visibility,
    name: Ident,
}

impl Parse for Function {
    fn parse(input: ParseStream) -> syn::Result<Function> {
        input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature: Signature = input.parse()?;
        input.parse::<TokenStream>()?;
        if !signature.inputs.is_empty() {
            return Err(syn::Error::new_spanned(signature.inputs, "a parameter"));
        }
        Ok(Function { visibility, name: signature.ident })
    }
}

/// The list in `after = [path, …]`; empty if there is nothing.
struct After(Punctuated<Path, Token![,]>);

impl Parse for After {
    fn parse(input: ParseStream) -> syn::Result<After> {
        if input.is_empty() {
            return Ok(After(Punctuated::new()));
        }
        let word: Ident = input.parse()?;
        if word != "after" {
            return Err(syn::Error::new(word.span(), "not `after`"));
        }
        input.parse::<Token![=]>()?;
        let list;
        bracketed!(list in input);
        Ok(After(Punctuated::parse_terminated(&list)?))
    }
}

/// An attribute's arguments, and what it stands on; none if one of them is something else.
fn both<A: Parse, I: Parse>(args: proc_macro::TokenStream, item: &proc_macro::TokenStream) -> Option<(A, I)> {
    Some((syn::parse(args).ok()?, syn::parse(item.clone()).ok()?))
}

/// Items that name nothing outside themselves, with an entry of a list among them.
fn entry(items: TokenStream) -> TokenStream {
    quote! {
        #[allow(unsafe_code, reason = "linkme places the entry in a section of its own")]
        const _: () = { #items };
    }
}

/// A `compile_error!` at the place of the attribute.
fn error(text: &str) -> proc_macro::TokenStream {
    syn::Error::new(Span::call_site(), text).into_compile_error().into()
}
