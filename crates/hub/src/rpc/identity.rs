//! TokenService, KeyService and OperatorService: parse, call, map.

use std::sync::Arc;

use entente_api::identity::{
    GetJwksRequest, GetJwksResponse, IssueTokenRequest, IssueTokenResponse, ListKeysRequest,
    ListKeysResponse, ListOperatorsRequest, ListOperatorsResponse, RevokeKeyRequest,
    RevokeKeyResponse, RevokeTokenRequest, RevokeTokenResponse, RotateKeyRequest,
    RotateKeyResponse, key_service_server::KeyService, operator_service_server::OperatorService,
    token_service_server::TokenService,
};
use entente_store::security::{self, Denied, SecurityEventKind};
use sqlx::{Connection as _, PgPool};
use tonic::{Request, Response, Status};

use crate::{
    authorization::Permit,
    control::{Claim, Controls, Ended, RevokeKey, RotateKey},
    edge::ConnectInfo,
    error::RpcError,
    parse::{self, wire_timestamp},
    security::{Guard, Issuer, record, time_of_day},
    wire,
};

/// TokenService over the issuer.
#[derive(Debug)]
pub struct Tokens {
    /// Where revocations go.
    pub controls: Controls,
    /// What gives tokens.
    pub issuer: Arc<Issuer>,
    /// Where revocations are kept.
    pub pool: PgPool,
}

/// KeyService over control writes.
#[derive(Debug)]
pub struct Keys {
    /// Where writes go.
    pub controls: Controls,
    /// What has to learn of them.
    pub guard: Guard,
    /// Where keys are read.
    pub pool: PgPool,
}

/// OperatorService over the database.
#[derive(Debug)]
pub struct Operators {
    /// Where operators are read.
    pub pool: PgPool,
}

#[tonic::async_trait]
impl TokenService for Tokens {
    async fn issue_token(
        &self,
        request: Request<IssueTokenRequest>,
    ) -> Result<Response<IssueTokenResponse>, Status> {
        let permit = Permit::of(&request)?;
        let connection = request.extensions().get::<ConnectInfo>();
        let connection = connection.ok_or_else(|| RpcError::fault("a call has no connection"))?;
        let asked = parse::identity::issue(request.get_ref()).map_err(RpcError::from)?;
        let assertion = &request.get_ref().client_assertion;
        let issued = self.issuer.issue(permit.caller(), connection.thumbprint, assertion, asked);
        let issued = issued.await?;
        Ok(Response::new(IssueTokenResponse {
            access_token: issued.token,
            expires_at: Some(wire_timestamp(issued.expires_at)),
            scopes: issued.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
        }))
    }

    async fn revoke_token(
        &self,
        request: Request<RevokeTokenRequest>,
    ) -> Result<Response<RevokeTokenResponse>, Status> {
        let permit = Permit::of(&request)?;
        let guard = self.issuer.guard();
        let token = guard.token_of(permit.caller(), &request.get_ref().access_token).await;
        let Some(token) = token.map_err(RpcError::from)? else {
            return Ok(Response::new(RevokeTokenResponse {}));
        };
        let (pool, by) = (self.pool.clone(), permit.actor());
        let revoke = move || {
            let (pool, by, token) = (pool.clone(), by.clone(), token.clone());
            async move {
                let mut connection =
                    pool.acquire().await.map_err(entente_store::StoreError::from)?;
                let tx = connection.begin().await;
                let mut tx = tx.map_err(entente_store::StoreError::from)?;
                let denied = Denied::Token(token.jti.clone());
                security::deny(&mut tx, &denied, token.expires_at).await?;
                let details = serde_json::json!({ "jti": token.jti });
                let kind = SecurityEventKind::TokenRevoked;
                record(&mut *tx, kind, &by, &by.name, &details).await?;
                tx.commit().await.map_err(entente_store::StoreError::from)?;
                Ok::<_, Ended>(())
            }
        };
        self.controls.run_for(permit.caller().role(), revoke).await?;
        guard.learn().await;
        Ok(Response::new(RevokeTokenResponse {}))
    }

    async fn get_jwks(
        &self,
        _: Request<GetJwksRequest>,
    ) -> Result<Response<GetJwksResponse>, Status> {
        let jwks = self.issuer.jwks().map_err(RpcError::from)?;
        Ok(Response::new(GetJwksResponse { jwks }))
    }
}

#[tonic::async_trait]
impl KeyService for Keys {
    async fn rotate_key(
        &self,
        request: Request<RotateKeyRequest>,
    ) -> Result<Response<RotateKeyResponse>, Status> {
        let permit = Permit::of(&request)?;
        let asked = request.get_ref();
        let (id, key) = parse::identity::rotate(asked).map_err(RpcError::from)?;
        let domain = self.guard.domain();
        let rotate = RotateKey {
            owner: permit.caller().to_string(),
            key,
            proof: asked.proof.clone(),
            possession: asked.possession.clone(),
            identity: domain.uri(permit.caller()),
            audience: domain.issuer.clone(),
            now: time_of_day(),
            by: permit.actor(),
        };
        let own = self.controls.catalogue().own(permit).await?;
        let claim = Claim::of_caller(own.as_ref(), id, asked);
        let response = self.controls.write(claim, rotate).await?;
        self.guard.learn().await;
        Ok(Response::new(response))
    }

    async fn revoke_key(
        &self,
        request: Request<RevokeKeyRequest>,
    ) -> Result<Response<RevokeKeyResponse>, Status> {
        let permit = Permit::of(&request)?;
        let asked = request.get_ref();
        let (id, named) = parse::identity::revoke(asked).map_err(RpcError::from)?;
        let owner = permit.owner(named).map_err(RpcError::from)?;
        let revoke = RevokeKey { owner, kid: asked.kid.clone(), by: permit.actor() };
        let own = self.controls.catalogue().own(permit).await?;
        let claim = Claim::of_caller(own.as_ref(), id, asked);
        let response = self.controls.write(claim, revoke).await?;
        self.guard.learn().await;
        Ok(Response::new(response))
    }

    async fn list_keys(
        &self,
        request: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        let permit = Permit::of(&request)?;
        let named = parse::identity::optional_owner(&request.get_ref().owner);
        let owner = permit.owner(named.map_err(RpcError::from)?).map_err(RpcError::from)?;
        let keys = security::keys_of(&self.pool, &owner).await.map_err(RpcError::from)?;
        Ok(Response::new(ListKeysResponse { keys: keys.iter().map(wire::key).collect() }))
    }
}

#[tonic::async_trait]
impl OperatorService for Operators {
    async fn list_operators(
        &self,
        _: Request<ListOperatorsRequest>,
    ) -> Result<Response<ListOperatorsResponse>, Status> {
        let operators = security::list_operators(&self.pool).await.map_err(RpcError::from)?;
        let operators = operators.iter().map(wire::operator).collect();
        Ok(Response::new(ListOperatorsResponse { operators }))
    }
}
