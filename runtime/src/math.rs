//! Functions of floating-point numbers that `std` has and `core` has not, as methods: `use runtime::math::Float;` or the prelude.
//!
//! The crate `libm` computes them: musl's functions in Rust, each within an ulp or so of the exact result. Programs on a host use its C library, so
//! that last bits may differ from theirs. `sqrt` is exact, and one instruction.

macro_rules! float {
    (
        $($(#[$doc:meta])* fn $name:ident(self $(, $arg:ident)*) = $f64:ident, $f32:ident;)*
    ) => {
        /// The methods of `std`'s `f64` and `f32` that need more than the processor's instructions.
        ///
        /// ```no_run
        /// use runtime::math::Float;
        ///
        /// assert_eq!(2.0_f64.sqrt(), core::f64::consts::SQRT_2);
        /// assert_eq!(2.0_f32.powi(-2), 0.25);
        /// ```
        pub trait Float: Sized {
            $($(#[$doc])* #[must_use] fn $name(self $(, $arg: Self)*) -> Self;)*
            /// `self` to the power of a whole number.
            #[must_use]
            fn powi(self, n: i32) -> Self;
            /// The sine and the cosine of an angle in radians.
            #[must_use]
            fn sin_cos(self) -> (Self, Self);
        }

        impl Float for f64 {
            $(#[inline] fn $name(self $(, $arg: Self)*) -> Self { libm::$f64(self $(, $arg)*) })*

            #[inline]
            fn powi(self, n: i32) -> Self {
                libm::pow(self, n.into())
            }

            #[inline]
            fn sin_cos(self) -> (Self, Self) {
                libm::sincos(self)
            }
        }

        impl Float for f32 {
            $(#[inline] fn $name(self $(, $arg: Self)*) -> Self { libm::$f32(self $(, $arg)*) })*

            #[inline]
            fn powi(self, n: i32) -> Self {
                // Not by `powf`: an `f32` does not hold every `i32`.
                libm::pow(self.into(), n.into()) as f32
            }

            #[inline]
            fn sin_cos(self) -> (Self, Self) {
                libm::sincosf(self)
            }
        }
    };
}

float! {
    /// The square root; not a number for a negative one.
    fn sqrt(self) = sqrt, sqrtf;
    /// The cube root.
    fn cbrt(self) = cbrt, cbrtf;
    /// The length of the hypotenuse over two sides.
    fn hypot(self, other) = hypot, hypotf;
    /// `self` to the power of `n`.
    fn powf(self, n) = pow, powf;
    /// *e* to the power of `self`.
    fn exp(self) = exp, expf;
    /// 2 to the power of `self`.
    fn exp2(self) = exp2, exp2f;
    /// `exp(self) - 1`, exact also near 0.
    fn exp_m1(self) = expm1, expm1f;
    /// The natural logarithm.
    fn ln(self) = log, logf;
    /// `ln(1 + self)`, exact also near 0.
    fn ln_1p(self) = log1p, log1pf;
    /// The logarithm to base 2.
    fn log2(self) = log2, log2f;
    /// The logarithm to base 10.
    fn log10(self) = log10, log10f;
    /// The sine of an angle in radians.
    fn sin(self) = sin, sinf;
    /// The cosine of an angle in radians.
    fn cos(self) = cos, cosf;
    /// The tangent of an angle in radians.
    fn tan(self) = tan, tanf;
    /// The angle in radians whose sine it is.
    fn asin(self) = asin, asinf;
    /// The angle in radians whose cosine it is.
    fn acos(self) = acos, acosf;
    /// The angle in radians whose tangent it is.
    fn atan(self) = atan, atanf;
    /// The angle in radians of the point (`x`, `self`).
    fn atan2(self, x) = atan2, atan2f;
    /// The hyperbolic sine.
    fn sinh(self) = sinh, sinhf;
    /// The hyperbolic cosine.
    fn cosh(self) = cosh, coshf;
    /// The hyperbolic tangent.
    fn tanh(self) = tanh, tanhf;
    /// The greatest whole number that is not above.
    fn floor(self) = floor, floorf;
    /// The least whole number that is not below.
    fn ceil(self) = ceil, ceilf;
    /// The nearest whole number; halves go away from 0.
    fn round(self) = round, roundf;
    /// The whole number towards 0.
    fn trunc(self) = trunc, truncf;
    /// `self * a + b`, rounded once.
    fn mul_add(self, a, b) = fma, fmaf;
}
