//! Any bytes as a file to import: the first byte says what they are read as; what is read must be fit for a store.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_people::service::import::{Format, How, detect, read};
use trimtab_people::service::{State, decide};

const FORMATS: [Format; 4] = [Format::Samples, Format::Pairs, Format::Argilla, Format::LabelStudio];

fn bring(bytes: &[u8], format: Format) {
    let how = How { overlap: 1, person: Some("fuzz".into()) };
    let Ok(found) = read("fuzz", bytes, format, &how) else { return };
    // What is let in can be written to a log and read from it.
    if let Ok((events, _)) = decide::import(&State::default(), found.items, found.given, format.name()) {
        let mut state = State::default();
        for event in &events {
            let body = serde_json::to_string(event).expect("an event is JSON");
            assert_eq!(serde_json::from_str::<trimtab_people::service::event::Event>(&body).ok().as_ref(), Some(event));
            state.apply(0, event).expect("an event that was decided on fits");
        }
    }
}

fuzz_target!(init: trimtab_text::contain::keep_hook_silent(), |data: &[u8]| {
    if let Some((&choice, file)) = data.split_first() {
        bring(file, FORMATS[choice as usize % FORMATS.len()]);
    }
    // The seeds are whole files.
    if let Ok(format) = detect("fuzz", data) {
        bring(data, format);
    }
});
