//! The JSON Schema of a config file, made from the structs that read it.

use crate::settings::Sweep;
use crate::world_run::WorldRun;
use anyhow::{Context, Result};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use trimtab_alignment::config::Config;

/// Every key of a config: those of every run, of a run on the world, and of a sweep. Draft 2020-12.
///
/// # Errors
/// A struct whose schema is no object, which would be a fault of ours.
pub fn schema() -> Result<Value> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut properties = Map::new();
    for root in [generator.root_schema_for::<Config>(), generator.root_schema_for::<WorldRun>()] {
        let of_root = root.get("properties").and_then(Value::as_object).context("a struct without properties")?;
        properties.extend(of_root.clone());
    }
    let mut sweep = generator.subschema_for::<Sweep>().to_value();
    sweep["description"] = json!("One run for each value of a setting and each seed.");
    properties.insert("sweep".into(), sweep);
    properties.insert(
        "extends".into(),
        json!({"const": "world", "description": "Everything not named is as in the embedded default run."}),
    );
    let definitions = generator.take_definitions(true);
    Ok(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A config of trimtab",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "anyOf": [
            {"required": ["extends"]},
            {"required": ["world"]},
            {"required": ["name", "model", "data"]},
        ],
        "$defs": definitions,
    }))
}
