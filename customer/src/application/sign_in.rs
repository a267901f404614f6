//! Signing in with a password. Whoever is refused learns nothing, neither from the answer nor from the time it takes:
//! not whether the address has an account, nor whether it is an address.

use souk_types::input::{Fields, Input};
use souk_types::{Error, Result};

use crate::App;
use crate::application::accounts::Profile;
use crate::application::sessions::{self as session, SignIn};
use crate::domain::email::Email;
use crate::providers::password_hasher::{Guess, Verdict};

/// The body of a sign-in. The address may be any text: what is no address is nobody's.
pub(crate) struct Login {
    email: String,
    password: Guess,
}

impl Input for Login {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (email, password) = (fields.required("email"), fields.required("password"));
        Some(Self { email: email?, password: password? })
    }
}

/// Opens a session for whoever knows the password.
pub(crate) async fn sign_in(app: &App, login: Login) -> Result<SignIn> {
    let profile = match login.email.parse::<Email>() {
        Ok(email) => app.accounts.by_email(&email).await?,
        Err(_) => None,
    };
    let kept = profile.as_ref().map(|profile| profile.password.clone());
    let verdict = app.hasher.verify(login.password, kept).await?;
    let refused = || Error::unauthenticated("The e-mail address or the password is wrong.");
    let profile = profile.ok_or_else(refused)?;
    match verdict {
        Verdict::Wrong => return Err(refused()),
        Verdict::Right => {}
        Verdict::Outdated(renewed) => {
            let verified = profile.generation;
            let renew = move |profile: &mut Profile| {
                if profile.generation == verified {
                    profile.password = renewed.clone();
                }
                Ok(())
            };
            app.accounts.edit(profile.id, renew).await?;
        }
    }
    session::open(app, &profile).await
}

#[cfg(test)]
mod tests {
    use souk_types::ErrorKind;

    use super::*;
    use crate::testing::{PASSWORD, ana, start};

    impl Login {
        pub(crate) fn new(email: &str, password: &str) -> Self {
            Self { email: email.to_owned(), password: Guess::new(password) }
        }
    }

    #[tokio::test]
    async fn whoever_is_refused_learns_nothing() {
        let (app, _directory) = start();
        ana(&app).await;
        let mut refusals = Vec::new();
        for (email, password) in
            [("ana@example.com", "wrong password"), ("eve@example.com", PASSWORD), ("no address", ""), ("", "")]
        {
            refusals.push(sign_in(&app, Login::new(email, password)).await.err().unwrap());
        }
        assert!(refusals.iter().all(|error| error.kind() == ErrorKind::Unauthenticated));
        assert!(refusals.windows(2).all(|pair| pair[0].detail() == pair[1].detail()));
        assert!(sign_in(&app, Login::new(" ANA@example.com", PASSWORD)).await.is_ok(), "but the address is normalised");
    }
}
