//! `select!`: from its arms to calls of `runtime::__private::select`. The macro's text for users stands where `runtime` exports it.
//!
//! ```text
//! {
//!     let mut slot1 = RecvSlot::new();                 // one for each receive arm
//!     match {
//!         let chan0 = &(tx);                           // channels and values, in the order of the arms
//!         let mut slot0 = chan0.select_send(value);
//!         let chan1 = &(rx);
//!         select([slot0.arm()], [chan1.select_recv(&mut slot1)], true)
//!     } {                                              // what was not sent is dropped, the channels are borrowed no more
//!         0 => { body }
//!         _ => { let pattern = slot1.take(); body }
//!     }
//! }
//! ```
//!
//! The bodies stand in no closure and no loop, so that `break`, `return` and `?` in them mean what they mean around the macro. They are passed on
//! as they are, as far as the end of one can be found without understanding it: a block is not looked into.
//!
//! Names of the macro's own are of its own hygiene: the user's code does not see them ([`own`]).

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprMethodCall, Ident, Pat, Result, Token, braced, parse_quote, token};

const FORMS: &str =
    "an arm of `select!` is `pattern = channel.recv() => …`, `channel.send(value) => …` or `default => …`";

/// `quote!` with names that only the macro's own code sees.
macro_rules! own {
    ($($tokens:tt)*) => { quote_spanned!(Span::mixed_site()=> $($tokens)*) };
}

struct Arm {
    op: Op,
    /// Without the braces, if it has some.
    body: TokenStream,
}

enum Op {
    Recv { pattern: Pat, chan: Expr },
    Send { chan: Expr, value: Punctuated<Expr, Token![,]> },
    Default,
}

struct Arms(Vec<Arm>);

impl Parse for Arms {
    fn parse(input: ParseStream) -> Result<Arms> {
        let mut arms: Vec<Arm> = Vec::new();
        while !input.is_empty() {
            let start = input.span();
            let op: Op = input.parse()?;
            if matches!(op, Op::Default) && arms.iter().any(|a| matches!(a.op, Op::Default)) {
                return Err(Error::new(start, "multiple defaults in select"));
            }
            if !input.peek(Token![=>]) {
                let text = if input.is_empty() { "`=>` is missing in an arm of `select!`" } else { FORMS };
                return Err(Error::new(start, text));
            }
            let arrow: Token![=>] = input.parse()?;
            if input.is_empty() || input.peek(Token![,]) {
                return Err(Error::new_spanned(arrow, "an expression is missing after `=>`"));
            }
            arms.push(Arm { op, body: body(input)? });
        }
        Ok(Arms(arms))
    }
}

impl Parse for Op {
    fn parse(input: ParseStream) -> Result<Op> {
        let start = input.span();
        let form = |_| Error::new(start, FORMS);
        let ahead = input.fork();
        if ahead.parse::<Ident>().is_ok_and(|word| word == "default") && ahead.peek(Token![=>]) {
            input.parse::<Ident>()?;
            return Ok(Op::Default);
        }
        let ahead = input.fork();
        let has_pattern = ahead.call(Pat::parse_multi_with_leading_vert).is_ok()
            && ahead.peek(Token![=])
            && !ahead.peek(Token![==])
            && !ahead.peek(Token![=>]);
        let pattern = if has_pattern {
            let pattern = input.call(Pat::parse_multi_with_leading_vert)?;
            input.parse::<Token![=]>()?;
            Some(pattern)
        } else {
            None
        };
        let Expr::MethodCall(ExprMethodCall { receiver, method, args, turbofish: None, .. }) =
            input.parse().map_err(form)?
        else {
            return Err(Error::new(start, FORMS));
        };
        match (method.to_string().as_str(), pattern) {
            ("recv", pattern) if args.is_empty() => {
                Ok(Op::Recv { pattern: pattern.unwrap_or_else(|| parse_quote!(_)), chan: *receiver })
            }
            ("send", None) if !args.is_empty() => Ok(Op::Send { chan: *receiver, value: args }),
            _ => Err(Error::new(start, FORMS)),
        }
    }
}

/// What stands behind `=>`, and the comma: as in `match`, a block needs none.
fn body(input: ParseStream) -> Result<TokenStream> {
    if input.peek(token::Brace) {
        let block;
        braced!(block in input);
        input.parse::<Option<Token![,]>>()?;
        return block.parse();
    }
    let body: Expr = input.parse()?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(body.into_token_stream())
}

pub fn expand(input: TokenStream) -> TokenStream {
    match syn::parse2::<Arms>(input) {
        Ok(Arms(arms)) => generate(&arms),
        Err(error) => error.into_compile_error(),
    }
}

fn generate(arms: &[Arm]) -> TokenStream {
    let default = arms.iter().find(|a| matches!(a.op, Op::Default)).map(|a| &a.body);
    let cases: Vec<&Arm> = arms.iter().filter(|a| !matches!(a.op, Op::Default)).collect();
    match (&cases[..], default) {
        ([], None) => own!(::runtime::chan::block()),
        ([], Some(default)) => own!({ #default }),
        ([one], None) => single(one),
        ([one], Some(default)) => single_or_default(one, default),
        (cases, default) => several(cases, default),
    }
}

/// Go's compiler, too, makes a plain operation of this.
fn single(Arm { op, body }: &Arm) -> TokenStream {
    match op {
        Op::Recv { pattern, chan } => {
            own!({ let #pattern = { let chan = &(#chan); chan.recv() }; #body })
        }
        Op::Send { chan, value } => own!({ { let chan = &(#chan); chan.send(#value) }; #body }),
        Op::Default => unreachable!("filtered out"),
    }
}

fn single_or_default(Arm { op, body }: &Arm, default: &TokenStream) -> TokenStream {
    match op {
        Op::Recv { pattern, chan } => own! {
            match { let chan = &(#chan); ::runtime::__private::select::ready(chan.try_recv()) } {
                ::core::option::Option::Some(received) => { let #pattern = received; #body }
                ::core::option::Option::None => { #default }
            }
        },
        Op::Send { chan, value } => own! {
            if { let chan = &(#chan); chan.try_send(#value).is_ok() } { #body } else { #default }
        },
        Op::Default => unreachable!("filtered out"),
    }
}

fn several(cases: &[&Arm], default: Option<&TokenStream>) -> TokenStream {
    let nsends = cases.iter().filter(|a| matches!(a.op, Op::Send { .. })).count();
    let [mut slots, mut setup, mut sends, mut recvs, mut bodies]: [TokenStream; 5] = Default::default();
    let (mut send_index, mut recv_index) = (0..nsends, nsends..);
    for (i, Arm { op, body }) in cases.iter().enumerate() {
        let [chan, slot] =
            [("chan", i), ("slot", i)].map(|(of, i)| format_ident!("{of}{i}", span = Span::mixed_site()));
        let index = match op {
            Op::Send { chan: expr, value } => {
                setup.extend(own!(let #chan = &(#expr); let mut #slot = #chan.select_send(#value);));
                sends.extend(own!(#slot.arm(),));
                send_index.next()
            }
            Op::Recv { chan: expr, .. } => {
                slots.extend(own!(let mut #slot = ::runtime::__private::select::RecvSlot::new();));
                setup.extend(own!(let #chan = &(#expr);));
                recvs.extend(own!(#chan.select_recv(&mut #slot),));
                recv_index.next()
            }
            Op::Default => unreachable!("filtered out"),
        };
        // The last arm catches all: there is no other index.
        let is_last = default.is_none() && i + 1 == cases.len();
        let index: Pat = if is_last { parse_quote!(_) } else { parse_quote!(#index) };
        bodies.extend(match op {
            Op::Recv { pattern, .. } => own!(#index => { let #pattern = #slot.take(); #body }),
            _ => own!(#index => { #body }),
        });
    }
    if let Some(default) = default {
        bodies.extend(own!(_ => { #default }));
    }
    let block = default.is_none();
    own!({
        #slots
        match { #setup ::runtime::__private::select::select([#sends], [#recvs], #block) } { #bodies }
    })
}
