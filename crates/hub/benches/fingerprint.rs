//! What it costs to take the fingerprint of an earn, and to find that a request is the one that was sent
//! before: `cargo bench -p entente-hub`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use entente_api::{points::EarnRequest, types::Money};
use entente_hub::{fingerprint::Said, method::Method, personal::Vault};
use entente_ledger::{PartnerId, RequestId};
use uuid::Uuid;

fn earn() -> EarnRequest {
    EarnRequest {
        request_id: "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10".to_owned(),
        member_reference: "guest-0001".to_owned(),
        spend: Some(Money { currency: "EUR".to_owned(), micros: 37_800_000 }),
        category: "room".to_owned(),
        activity_at: Some(prost_types::Timestamp { seconds: 1_772_438_400, nanos: 0 }),
        receipt_reference: "BOOKING-0000001".to_owned(),
        ..EarnRequest::default()
    }
}

fn fingerprint(c: &mut Criterion) {
    let (vault, request) = (Vault::new(&[7; 32]), earn());
    let claimed = (PartnerId(1), RequestId(Uuid::from_u128(1)));
    let mut group = c.benchmark_group("fingerprint");
    group.bench_function("earn", |b| {
        b.iter(|| Said::of(black_box(&request)).fingerprint(&vault, claimed));
    });
    let kept = Said::of(&request).fingerprint(&vault, claimed);
    group.bench_function("the-same-again", |b| {
        b.iter(|| kept.difference(Method::Earn.code(), black_box(&kept.fields)));
    });
    group.finish();
}

criterion_group!(benches, fingerprint);
criterion_main!(benches);
