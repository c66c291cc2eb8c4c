//! A day's mixture: of a hundred calls about sixty earns, ten burns, ten authorizations each with its
//! capture or, seldom, its void, five reversals and five balances.

use entente_api::member::GetBalanceRequest;
use entente_api::points::{
    AuthorizeRequest, BurnRequest, CaptureRequest, ReverseRequest, VoidRequest, authorize_request,
    burn_request,
};
use entente_api::types::Operation;
use entente_client::{Client, Error};
use rand::{RngExt as _, rngs::StdRng};

use super::coalition::{self, Members, request_id};
use super::lane::{self, Lane};
use super::round::Round;
use super::seen::{Seen, Told};

/// Plays the mixture.
pub(crate) async fn play(round: &Round<'_>) -> anyhow::Result<Seen> {
    let lanes = (0..round.args.in_flight).map(|number| {
        let connection = round.stage.connection(number);
        Day {
            client: connection.client.clone(),
            partner: connection.partner,
            members: round.stage.members(),
            dice: round.dice(number),
            receipts: round.receipts(number),
            earns: 0,
            earned: None,
            authorized: None,
        }
    });
    lane::run(lanes, round.span).await
}

/// One caller's day.
struct Day {
    client: Client,
    partner: usize,
    members: Members,
    dice: StdRng,
    receipts: String,
    earns: u64,
    /// An earn that can be reversed.
    earned: Option<String>,
    /// An authorization that waits for its end.
    authorized: Option<String>,
}

impl Lane for Day {
    async fn call(&mut self) -> Result<Told, Error> {
        if let Some(authorization) = self.authorized.take() {
            return self.end(authorization).await;
        }
        match self.dice.random_range(0..90) {
            0..60 => self.earn().await,
            60..70 => self.burn().await,
            70..80 => self.authorize().await,
            80..85 => self.reverse().await,
            _ => self.balance().await,
        }
    }
}

impl Day {
    fn member(&mut self) -> String {
        self.members.any_of(self.partner, &mut self.dice)
    }

    async fn earn(&mut self) -> Result<Told, Error> {
        self.earns += 1;
        let member = self.member();
        let receipt = format!("{}-{}", self.receipts, self.earns);
        let request = coalition::earn(member, receipt, &mut self.dice);
        let id = request.request_id.clone();
        let answer = self.client.earn(request).await?;
        self.earned = Some(id);
        Ok(Told::Earned(points(answer.operation)))
    }

    async fn burn(&mut self) -> Result<Told, Error> {
        let request = BurnRequest {
            request_id: request_id(&mut self.dice),
            member_reference: self.member(),
            amount: Some(burn_request::Amount::Points(self.dice.random_range(20..200))),
            receipt_reference: String::new(),
        };
        let answer = self.client.burn(request).await?;
        Ok(Told::Redeemed(points(answer.operation)))
    }

    async fn authorize(&mut self) -> Result<Told, Error> {
        let id = request_id(&mut self.dice);
        let request = AuthorizeRequest {
            request_id: id.clone(),
            member_reference: self.member(),
            amount: Some(authorize_request::Amount::Points(self.dice.random_range(20..200))),
            receipt_reference: String::new(),
        };
        self.client.authorize(request).await?;
        self.authorized = Some(id);
        Ok(Told::Operation)
    }

    /// Most authorizations are captured, one of ten is voided.
    async fn end(&mut self, authorization_request_id: String) -> Result<Told, Error> {
        let request_id = request_id(&mut self.dice);
        if self.dice.random_range(0..10) == 0 {
            let request = VoidRequest { request_id, authorization_request_id };
            self.client.void(request).await?;
            return Ok(Told::Operation);
        }
        let request = CaptureRequest { request_id, authorization_request_id, points: None };
        let answer = self.client.capture(request).await?;
        Ok(Told::Redeemed(points(answer.operation)))
    }

    async fn reverse(&mut self) -> Result<Told, Error> {
        let Some(original_request_id) = self.earned.take() else { return self.earn().await };
        let request_id = request_id(&mut self.dice);
        let request = ReverseRequest { request_id, original_request_id, part: None };
        self.client.reverse(request).await?;
        Ok(Told::Operation)
    }

    async fn balance(&mut self) -> Result<Told, Error> {
        let member_reference = self.member();
        self.client.get_balance(GetBalanceRequest { member_reference }).await?;
        Ok(Told::Read)
    }
}

fn points(operation: Option<Operation>) -> i64 {
    operation.map_or(0, |operation| operation.points)
}
