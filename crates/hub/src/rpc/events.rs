//! EventService: parse, find the beginning, stream.

use std::{sync::Arc, time::Duration};

use entente_api::event::{WatchRequest, WatchResponse, event_service_server::EventService};
use tonic::{Request, Response, Status};

use crate::{
    authorization::Permit,
    catalogue::CatalogueCache,
    error::RpcError,
    feed::{Feed, Watching},
    page_token::{Binding, PageTokens},
    parse,
    streams::{Inbox, Streams},
};

/// EventService over the feed.
#[derive(Debug)]
pub struct Events {
    /// Where events are read.
    pub feed: Feed,
    /// Who the partners are.
    pub catalogue: Arc<CatalogueCache>,
    /// What seals resume tokens.
    pub page_tokens: Arc<PageTokens>,
    /// The bounds of streams.
    pub streams: Streams,
    /// How often a stream shows that it lives.
    pub heartbeat: Duration,
}

#[tonic::async_trait]
impl EventService for Events {
    type WatchStream = Inbox<WatchResponse>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let permit = Permit::of(&request)?;
        let caller = self.catalogue.caller(permit).await?;
        // The kinds are no part of it: a token of one stream may begin another.
        let binding = Binding::new(permit.caller(), "events", &[]);
        let (start, kinds) = parse::event::watch(request.get_ref(), &self.page_tokens, &binding)
            .map_err(RpcError::from)?;
        let heads = self.feed.heads().await.map_err(RpcError::from)?;
        let cursor = parse::event::beginning(&start, &heads).map_err(RpcError::from)?;
        let (outbox, inbox, ending) =
            self.streams.open(&request, caller.id).map_err(RpcError::from)?;
        let watching = Watching {
            feed: self.feed.clone(),
            partner: caller.id,
            kinds,
            cursor,
            page_tokens: Arc::clone(&self.page_tokens),
            binding,
            heartbeat: self.heartbeat,
        };
        tokio::spawn(watching.run(outbox, ending));
        Ok(Response::new(inbox))
    }
}
