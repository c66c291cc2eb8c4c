//! From a certificate to the first Earn:
//! `cargo run -p entente-client --example first_earn -- certs harbor-hotels`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{env, error::Error as StdError, path::PathBuf};

use entente_client::{
    Client, Error, MemberSigner, Options,
    api::{points, types},
    new_request_id,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let mut arguments = env::args().skip(1);
    let certificates = PathBuf::from(arguments.next().unwrap_or_else(|| "certs".into()));
    let partner = arguments.next().unwrap_or_else(|| "harbor-hotels".into());
    let own = certificates.join("partners").join(&partner);

    let options = Options::new(
        "https://localhost:7443",
        certificates.join("hub-ca.pem"),
        own.join("client.pem"),
        own.join("client.key"),
    )
    .assertion_key(own.join("client-assertion.key"));
    let client = Client::connect(options).await?;

    // The member was authenticated here, and has agreed to take part.
    let member_reference = "guest-1".to_owned();
    let consent = MemberSigner::consent("wording-1");
    client.link(new_request_id(), &member_reference, &consent).await?;

    // Make the id once and keep it with the booking: the same request again has no second effect.
    let earn = points::EarnRequest {
        request_id: new_request_id(),
        member_reference,
        spend: Some(types::Money { currency: "EUR".into(), micros: 120_000_000 }),
        category: "room".into(),
        // One earn is accepted for each receipt, ever.
        receipt_reference: format!("booking-{}", new_request_id()),
        ..Default::default()
    };
    match client.earn(earn).await {
        Ok(answer) => {
            let points = answer.operation.unwrap_or_default().points;
            let available = answer.balances.unwrap_or_default().available;
            println!("earned {points} points, {available} available");
        }
        Err(Error::Refused(refusal)) => println!("no: {}", refusal.reason.as_str_name()),
        Err(Error::Unknown(unknown)) => println!("send it again later: {unknown}"),
        Err(other) => return Err(other.into()),
    }
    Ok(())
}
