//! Thresholds of caps that something other than a batch crosses: a close, a payment, or terms with
//! another cap. What a partner was told is kept with its exposure, under all heads.

use entente_loyalty::{Catalogue, Exposure, ExposureKey, Standing, crossings};
use entente_store::{Notice, StoreError, control::Control, settlement::keep_told};

use crate::notices::Anchor;

/// What partners are told of exposures as they are now; remembered as told.
pub(crate) async fn told(
    control: &mut Control,
    catalogue: &Catalogue,
    anchor: Anchor,
    exposures: &[(ExposureKey, Exposure)],
) -> Result<Vec<Notice>, StoreError> {
    let (mut notices, mut changed) = (Vec::new(), Vec::new());
    for (key, exposure) in exposures {
        let standing = Standing::at(catalogue, *key, exposure.owed, control.now());
        let crossed = crossings(*key, exposure.told, standing);
        notices.extend(crossed.map(|crossing| anchor.cap_threshold(&crossing)));
        let told = standing.reached();
        if told != exposure.told {
            changed.push((*key, told));
        }
    }
    keep_told(control.connection(), &changed).await?;
    Ok(notices)
}
