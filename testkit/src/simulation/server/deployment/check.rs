//! Whether everything that was acknowledged is there at the end.

use super::Deployment;
use crate::simulation::violation::Violation;

impl Deployment {
    /// Each command that was acknowledged and is not known to be lost was carried out once on what the owner of its key has
    /// now.
    pub(crate) fn check_acknowledged(&self) -> Result<(), Violation> {
        let Some(map) = self.truth() else {
            return Ok(());
        };
        for (key, token) in self.world.ledger().acknowledged() {
            let owner = map.primary(typedis_core::cluster::slot(key));
            let Some(owner) = owner.and_then(|node| self.server(node)) else {
                continue;
            };
            let history = owner.entries().remove(key).unwrap_or_default().history;
            let times = history.iter().filter(|known| **known == token).count();
            if times == 0 {
                return Err(Violation {
                    rule: "what was acknowledged is there at the end",
                    text: format!(
                        "{} lacks #{token} on node {}",
                        String::from_utf8_lossy(key),
                        owner.id
                    ),
                });
            }
        }
        Ok(())
    }
}
