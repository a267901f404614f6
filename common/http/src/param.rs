//! Path parameters.

use std::fmt::Debug;
use std::str::FromStr;

use rocket::request::FromParam;

/// A segment of the path, parsed as a `T`: `souk_types` has no `FromParam` of Rocket.
pub struct Param<T>(pub T);

impl<'a, T: FromStr<Err: Debug>> FromParam<'a> for Param<T> {
    type Error = T::Err;

    fn from_param(param: &'a str) -> Result<Self, T::Err> {
        param.parse().map(Self)
    }
}
