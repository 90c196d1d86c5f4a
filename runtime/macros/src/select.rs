//! `select!`: from its arms to calls of `runtime::__private::select`. The macro's text for users stands where `runtime` exports it.
//!
//! ```text
//! {
//!     let mut recv1 = RecvSlot::new();                 // one for each receive arm
//!     let chosen = {
//!         let chan0 = &(tx);                           // channels and values, in the order of the arms
//!         let mut send0 = chan0.select_send(value);
//!         let chan1 = &(rx);
//!         select([send0.arm()], [chan1.select_recv(&mut recv1)], true)
//!     };                                               // what was not sent is dropped, the channels are borrowed no more
//!     match chosen {
//!         0 => { body }
//!         _ => { let pattern = recv1.take(); body }
//!     }
//! }
//! ```
//!
//! The bodies stand in no closure and no loop, so that `break`, `return` and `?` in them mean what they mean around the macro.

use proc_macro::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use std::iter::Peekable;

type Tokens = Peekable<proc_macro::token_stream::IntoIter>;

struct Arm {
    op: Op,
    /// Without the braces, if it has some.
    body: TokenStream,
}

enum Op {
    Recv { pattern: TokenStream, chan: TokenStream },
    Send { chan: TokenStream, value: TokenStream },
    Default,
}

/// A message for the user, and where.
struct Error(Span, &'static str);

pub fn expand(input: TokenStream) -> TokenStream {
    match parse(input) {
        Ok(arms) => generate(&arms),
        Err(Error(span, message)) => {
            let text = format!("::core::compile_error!({message:?})");
            let tokens: TokenStream = text.parse().expect("a macro call");
            tokens.into_iter().map(|t| at(t, span)).collect()
        }
    }
}

fn parse(input: TokenStream) -> Result<Vec<Arm>, Error> {
    let mut tokens = input.into_iter().peekable();
    let mut arms: Vec<Arm> = Vec::new();
    while tokens.peek().is_some() {
        let (head, arrow) = head(&mut tokens)?;
        let span = head.first().map_or(arrow, TokenTree::span);
        let op = operation(head).ok_or(Error(
            span,
            "an arm of `select!` is `pattern = channel.recv() => …`, `channel.send(value) => …` or `default => …`",
        ))?;
        if matches!(op, Op::Default) && arms.iter().any(|a| matches!(a.op, Op::Default)) {
            return Err(Error(span, "multiple defaults in select"));
        }
        let body = body(&mut tokens).ok_or(Error(arrow, "an expression is missing after `=>`"))?;
        arms.push(Arm { op, body });
    }
    Ok(arms)
}

/// The tokens before `=>`, and where that stands.
fn head(tokens: &mut Tokens) -> Result<(Vec<TokenTree>, Span), Error> {
    let mut head = Vec::new();
    let mut span = Span::call_site();
    while let Some(token) = tokens.next() {
        span = token.span();
        if is(&token, '=') && tokens.peek().is_some_and(|next| is(next, '>')) {
            tokens.next();
            return Ok((head, span));
        }
        head.push(token);
    }
    Err(Error(span, "`=>` is missing in an arm of `select!`"))
}

fn operation(mut head: Vec<TokenTree>) -> Option<Op> {
    if let [TokenTree::Ident(word)] = &head[..]
        && word.to_string() == "default"
    {
        return Some(Op::Default);
    }
    let TokenTree::Group(args) = head.pop()? else { return None };
    let TokenTree::Ident(method) = head.pop()? else { return None };
    if args.delimiter() != Delimiter::Parenthesis || !is(&head.pop()?, '.') || head.is_empty() {
        return None;
    }
    // A lone `=`: not one of `==`, `<=`, `..=`.
    let joint = |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.spacing() == proc_macro::Spacing::Joint);
    let equals = (0..head.len())
        .find(|&i| is(&head[i], '=') && !joint(&head[i]) && !head[..i].last().is_some_and(joint));
    match (method.to_string().as_str(), equals) {
        ("recv", Some(i)) if args.stream().is_empty() => {
            let chan = head.split_off(i + 1).into_iter().collect();
            head.pop();
            Some(Op::Recv { pattern: head.into_iter().collect(), chan })
        }
        ("recv", None) if args.stream().is_empty() => {
            let pattern = "_".parse().expect("a pattern");
            Some(Op::Recv { pattern, chan: head.into_iter().collect() })
        }
        ("send", None) if !args.stream().is_empty() => {
            Some(Op::Send { chan: head.into_iter().collect(), value: args.stream() })
        }
        _ => None,
    }
}

/// The tokens of an arm after `=>`, and behind them the comma: as in `match`, a block needs none. The commas of `::<…>` are the body's.
fn body(tokens: &mut Tokens) -> Option<TokenStream> {
    let is_comma = |t: &TokenTree| is(t, ',');
    let is_block = |t: &TokenTree| matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace);
    if let Some(TokenTree::Group(block)) = tokens.next_if(is_block) {
        tokens.next_if(is_comma);
        return Some(block.stream());
    }
    let mut body = TokenStream::new();
    let (mut angles, mut before) = (0, [' ', ' ']);
    for token in tokens.by_ref() {
        let c = if let TokenTree::Punct(p) = &token { p.as_char() } else { ' ' };
        match c {
            ',' if angles == 0 => break,
            '<' if angles > 0 || before == [':', ':'] => angles += 1,
            '>' if angles > 0 && before[1] != '-' => angles -= 1,
            _ => {}
        }
        before = [before[1], c];
        body.extend([token]);
    }
    (!body.is_empty()).then_some(body)
}

fn is(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == c)
}

fn generate(arms: &[Arm]) -> TokenStream {
    let default = arms.iter().find(|a| matches!(a.op, Op::Default));
    let cases: Vec<&Arm> = arms.iter().filter(|a| !matches!(a.op, Op::Default)).collect();
    match (&cases[..], default) {
        ([], None) => code("::runtime::chan::block()", &[]),
        ([], Some(default)) => code("{ BODY }", &[("BODY", &default.body)]),
        ([one], None) => single(one),
        ([one], Some(default)) => single_or_default(one, &default.body),
        (cases, default) => several(cases, default),
    }
}

/// Go's compiler, too, makes a plain operation of this.
fn single(arm: &Arm) -> TokenStream {
    match &arm.op {
        Op::Recv { pattern, chan } => code(
            "{ let PATTERN = { let chan = &(CHAN); chan.recv() }; BODY }",
            &[("PATTERN", pattern), ("CHAN", chan), ("BODY", &arm.body)],
        ),
        Op::Send { chan, value } => code(
            "{ { let chan = &(CHAN); chan.send(VALUE) }; BODY }",
            &[("CHAN", chan), ("VALUE", value), ("BODY", &arm.body)],
        ),
        Op::Default => unreachable!("filtered out"),
    }
}

fn single_or_default(arm: &Arm, default: &TokenStream) -> TokenStream {
    match &arm.op {
        Op::Recv { pattern, chan } => code(
            "match { let chan = &(CHAN); ::runtime::__private::select::ready(chan.try_recv()) } {
                ::core::option::Option::Some(received) => { let PATTERN = received; BODY }
                ::core::option::Option::None => { DEFAULT }
            }",
            &[("PATTERN", pattern), ("CHAN", chan), ("BODY", &arm.body), ("DEFAULT", default)],
        ),
        Op::Send { chan, value } => code(
            "if { let chan = &(CHAN); chan.try_send(VALUE).is_ok() } { BODY } else { DEFAULT }",
            &[("CHAN", chan), ("VALUE", value), ("BODY", &arm.body), ("DEFAULT", default)],
        ),
        Op::Default => unreachable!("filtered out"),
    }
}

fn several(cases: &[&Arm], default: Option<&Arm>) -> TokenStream {
    let nsends = cases.iter().filter(|a| matches!(a.op, Op::Send { .. })).count();
    let [mut slots, mut setup, mut sends, mut recvs, mut bodies]: [TokenStream; 5] = Default::default();
    let (mut send_index, mut recv_index) = (0, nsends);
    for (i, arm) in cases.iter().enumerate() {
        let [chan, slot] = ["chan", "slot"].map(|name| ident(&format!("{name}{i}")));
        let index = match &arm.op {
            Op::Send { chan: expr, value } => {
                setup.extend(code(
                    "let C = &(CHAN); let mut SLOT = C.select_send(VALUE);",
                    &[("C", &chan), ("CHAN", expr), ("SLOT", &slot), ("VALUE", value)],
                ));
                sends.extend(code("SLOT.arm(),", &[("SLOT", &slot)]));
                send_index += 1;
                send_index - 1
            }
            Op::Recv { chan: expr, .. } => {
                slots.extend(code(
                    "let mut SLOT = ::runtime::__private::select::RecvSlot::new();",
                    &[("SLOT", &slot)],
                ));
                setup.extend(code("let C = &(CHAN);", &[("C", &chan), ("CHAN", expr)]));
                recvs.extend(code("C.select_recv(&mut SLOT),", &[("C", &chan), ("SLOT", &slot)]));
                recv_index += 1;
                recv_index - 1
            }
            Op::Default => unreachable!("filtered out"),
        };
        // The last arm catches all: there is no other index.
        let index: TokenStream = if default.is_none() && i + 1 == cases.len() {
            ident("_")
        } else {
            TokenTree::from(Literal::usize_unsuffixed(index)).into()
        };
        bodies.extend(match &arm.op {
            Op::Recv { pattern, .. } => code(
                "INDEX => { let PATTERN = SLOT.take(); BODY }",
                &[("INDEX", &index), ("PATTERN", pattern), ("SLOT", &slot), ("BODY", &arm.body)],
            ),
            _ => code("INDEX => { BODY }", &[("INDEX", &index), ("BODY", &arm.body)]),
        });
    }
    if let Some(default) = default {
        bodies.extend(code("_ => { BODY }", &[("BODY", &default.body)]));
    }
    let block = ident(if default.is_none() { "true" } else { "false" });
    code(
        "{ SLOTS match { SETUP ::runtime::__private::select::select([SENDS], [RECVS], BLOCK) } { BODIES } }",
        &[
            ("SLOTS", &slots),
            ("SETUP", &setup),
            ("SENDS", &sends),
            ("RECVS", &recvs),
            ("BLOCK", &block),
            ("BODIES", &bodies),
        ],
    )
}

fn ident(name: &str) -> TokenStream {
    if name == "_" {
        return "_".parse().expect("a pattern");
    }
    TokenTree::from(Ident::new(name, Span::mixed_site())).into()
}

/// `template` with tokens of the user, or made before, in place of some words. Its own names are invisible to the user's code.
fn code(template: &str, parts: &[(&str, &TokenStream)]) -> TokenStream {
    fill(template.parse().expect("a template"), parts)
}

fn fill(template: TokenStream, parts: &[(&str, &TokenStream)]) -> TokenStream {
    let mut out = TokenStream::new();
    for token in template {
        match &token {
            TokenTree::Group(g) => {
                let group = Group::new(g.delimiter(), fill(g.stream(), parts));
                out.extend([at(group.into(), Span::mixed_site())]);
            }
            TokenTree::Ident(word) => {
                let word = word.to_string();
                match parts.iter().find(|(name, _)| *name == word) {
                    Some((_, part)) => out.extend((*part).clone()),
                    None => out.extend([at(token, Span::mixed_site())]),
                }
            }
            _ => out.extend([at(token, Span::mixed_site())]),
        }
    }
    out
}

fn at(mut token: TokenTree, span: Span) -> TokenTree {
    token.set_span(span);
    token
}
